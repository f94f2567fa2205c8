import { appended } from '../appended.ts';
import type { Effect, Moment, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { isGroup, nameFor, peerOf, type UserId } from '../ids.ts';
import { userAddress } from './addresses.ts';
import { firstOwed, oldestAwaited, owes, redeliver, retell, settled, settledWithout } from './delivering.ts';
import { alarm, answer, tellHost, tellMember } from './effects.ts';
import { type Entry, pack, packEntry } from './entry.ts';
import { requireMember, ruleOn } from './group-operations.ts';
import { type HostEvent, receiptsTold } from './host-events.ts';
import { type Hosted, memberOf, newMember } from './hosted.ts';
import type { HostCommand, MemberCommand, MessengerLimits, ServerFrame } from './messages.ts';

const NOTHING: readonly never[] = [];
const SILENCE: Outcome<HostEvent> = { events: NOTHING, effects: NOTHING };

/**
 * The host's side of a conversation: it orders entries, drops repeated ones, tells them to every member and
 * knows who has them. Used by a user for its direct conversations and by a group; both keep a `Hosted`.
 */
export function decideHosted(hosted: Hosted, command: HostCommand, now: Moment, limits: MessengerLimits): Outcome<HostEvent> {
  return recovered(hosted, decideCommand(hosted, command, now, limits), now, limits);
}

/** With the first command after a restart, what can't be proven confirmed is told again, entries and watermarks. */
function recovered(hosted: Hosted, outcome: Outcome<HostEvent>, now: Moment, limits: MessengerLimits): Outcome<HostEvent> {
  if (!hosted.recovering) return outcome;
  const effects = [...retell(hosted, limits, () => true), ...outcome.effects];
  if (!isGroup(hosted.id)) effects.push(...announcements(hosted, hosted.members.keys(), limits));
  if (hosted.open.size > 0) effects.push(alarm(limits.redeliverMs));
  return { events: [...outcome.events, { kind: 'retold', hosted, at: now.steady }], effects };
}

function decideCommand(hosted: Hosted, command: HostCommand, now: Moment, limits: MessengerLimits): Outcome<HostEvent> {
  switch (command.kind) {
    case 'post':
      return decidePost(hosted, command, now, limits);
    case 'ask-settled': {
      const open = hosted.open.get(command.seq);
      if (open !== undefined && open.waiting > 0) return SILENCE;
      const { from, clientId, seq, at } = command;
      return { events: NOTHING, effects: [settled(hosted, from, [{ clientId, seq, at }])] };
    }
    case 'confirm':
      return decideConfirm(hosted, command.user, command.seq, limits);
    case 'missing':
      return { events: NOTHING, effects: [redeliver(hosted, command.user, command.after, limits)] };
    case 'mark':
      return decideMark(hosted, command, now, limits);
    case 'typed':
      return decideTyped(hosted, command.user);
    case 'list-receipts':
      return { events: NOTHING, effects: [answer(command, receiptsFrame(hosted, command.user, command.id))] };
    case 'list-members':
      return { events: NOTHING, effects: [answer(command, groupFrame(hosted, command.user, command.id))] };
    case 'bar': {
      const { by, on } = command;
      const other = userAddress(peerOf(hosted.id, by));
      const effects = [
        tellMember(userAddress(by), { kind: 'barred', bar: command }),
        tellMember(other, { kind: 'peer-hidden', conversation: hosted.id, on }, 'ordered'),
      ];
      if (!on) {
        // What the other one wasn't told meanwhile.
        const { delivered, read } = hosted.members.get(by) ?? newMember('member', 1);
        if (delivered > 0) effects.push(tellMember(other, { kind: 'receipt', conversation: hosted.id, user: by, delivered, read }));
      }
      return { events: hosted.barredBy.includes(by) === on ? NOTHING : [{ kind: 'barred', hosted, by, on }], effects };
    }
  }
}

function decidePost(
  hosted: Hosted,
  command: Extract<HostCommand, { kind: 'post' }>,
  now: Moment,
  limits: MessengerLimits,
): Outcome<HostEvent> {
  const { from, clientId, operation } = command;
  const before = hosted.open.sentAs(from, clientId);
  if (before !== undefined) {
    return before.waiting > 0 ? SILENCE : { events: NOTHING, effects: [settled(hosted, from, [before.entry])] };
  }
  let kind: Entry['kind'] = 'message';
  let body: Uint8Array;
  let roster = hosted.roster;
  if (isGroup(hosted.id)) {
    if (operation.kind === 'message') {
      requireMember(hosted, from);
      body = operation.body;
    } else {
      const ruling = ruleOn(hosted, from, operation, limits.groupMembersMax);
      kind = ruling.kind;
      body = pack(ruling.body);
      roster = ruling.roster;
    }
  } else {
    if (operation.kind !== 'message') throw new Failure('not-found', 'this is not a group');
    if (hosted.barredBy.length > 0 && from !== peerOf(hosted.id, from) && hosted.barredBy.includes(peerOf(hosted.id, from))) {
      throw new Failure('forbidden', 'this user takes no direct messages from you');
    }
    body = operation.body;
  }
  // `at` never runs backwards within a conversation, whatever the system's clock does.
  const entry = packEntry(hosted.lastSeq + 1, from, Math.max(now.wall, hosted.lastAt), kind, clientId, body);
  let effects: Effect[] | undefined;
  // Nobody else is waited for: the sender is alone, or all the others lag.
  if (!roster.some(({ id }) => id !== from && hosted.members.get(id as UserId)?.lagging !== true)) {
    effects = [settled(hosted, from, [entry])];
  }
  // With entries open already, an alarm is on its way.
  if (hosted.open.size === 0) effects = appended(effects, alarm(limits.redeliverMs));
  return { events: [{ kind: 'posted', hosted, entry, roster, at: now.steady }], effects: effects ?? NOTHING };
}

function decideConfirm(hosted: Hosted, user: UserId, seq: number, limits: MessengerLimits): Outcome<HostEvent> {
  const member = hosted.members.get(user);
  if (member === undefined || seq <= member.confirmed) return SILENCE;
  let effects: Effect[] | undefined;
  if (!member.lagging) {
    // One command for each run of entries of the same sender.
    let run: Entry[] | undefined;
    for (let at = firstOwed(hosted, member); at <= seq; at++) {
      const open = hosted.open.get(at);
      if (open === undefined || open.waiting !== 1 || open.entry.from === user || !owes(open, user, member)) continue;
      const { entry } = open;
      if (run !== undefined && run[0]?.from !== entry.from) {
        effects = appended(effects, settled(hosted, (run[0] as Entry).from, run));
        run = undefined;
      }
      run = appended(run, entry);
    }
    if (run !== undefined) effects = appended(effects, settled(hosted, (run[0] as Entry).from, run));
  } else if (seq < hosted.lastSeq) effects = [redeliver(hosted, user, seq, limits)];
  return { events: [{ kind: 'confirmed', hosted, user, seq: Math.min(seq, hosted.lastSeq) }], effects: effects ?? NOTHING };
}

function decideMark(
  hosted: Hosted,
  command: Extract<HostCommand, { kind: 'mark' }>,
  now: Moment,
  limits: MessengerLimits,
): Outcome<HostEvent> {
  const member = memberOf(hosted, command.user);
  if (member === undefined) return SILENCE;
  const read = Math.max(member.read, Math.min(command.read, hosted.lastSeq));
  const delivered = Math.max(member.delivered, Math.min(Math.max(command.delivered, command.read), hosted.lastSeq));
  if (read === member.read && delivered === member.delivered) return SILENCE;
  // The larger the group, the rarer: the work of telling all of all stays the same.
  const afterMs = limits.receiptCoalesceMs * Math.max(1, hosted.roster.length / 10);
  const effects: readonly Effect[] = hosted.unannounced === undefined ? [alarm(afterMs)] : NOTHING;
  return { events: [{ kind: 'marked', hosted, user: command.user, delivered, read, announceAt: now.steady + afterMs }], effects };
}

function decideTyped(hosted: Hosted, user: UserId): Outcome<HostEvent> {
  if (isGroup(hosted.id)) requireMember(hosted, user);
  const effects = hosted.roster
    .filter((address) => address.id !== user && !hosted.barredBy.includes(address.id as UserId))
    .filter((address) => !isBarred(hosted, user, address.id as UserId))
    .map((address) => tellMember(address, { kind: 'typing-by', conversation: hosted.id, user }));
  return { events: NOTHING, effects };
}

/** Whether `watcher` is blocked by `user`, so that it learns nothing of them. */
const isBarred = (hosted: Hosted, user: UserId, watcher: UserId): boolean =>
  hosted.barredBy.length > 0 && user !== watcher && hosted.barredBy.includes(user);

function receiptsFrame(hosted: Hosted, reader: UserId, id: string): ServerFrame {
  if (isGroup(hosted.id)) requireMember(hosted, reader);
  const members = [];
  for (const [user, { delivered, read, until }] of hosted.members) {
    if (until === undefined && !isBarred(hosted, user, reader)) members.push({ user, delivered, read });
  }
  return { type: 'receipts', id, conversation: nameFor(hosted.id, reader), members };
}

function groupFrame(hosted: Hosted, reader: UserId, id: string): ServerFrame {
  requireMember(hosted, reader);
  const members = [...hosted.members].filter(([, member]) => member.until === undefined).map(([user, { role }]) => ({ user, role }));
  return { type: 'group', id, conversation: nameFor(hosted.id, reader), title: hosted.title, members };
}

/** What is due by now: watermarks to announce, members to be told again, members to go on without. */
export function decideHostAlarm(hosted: Hosted, now: Moment, limits: MessengerLimits): Outcome<HostEvent> {
  if (hosted.recovering) return recovered(hosted, SILENCE, now, limits);
  const events: HostEvent[] = [];
  const effects: Effect[] = [];
  if (hosted.unannounced !== undefined) {
    if (now.steady >= hosted.announceAt) {
      effects.push(...announcements(hosted, hosted.unannounced, limits));
      events.push({ kind: 'receipts-told', hosted });
    } else effects.push(alarm(hosted.announceAt - now.steady));
  }
  const oldest = oldestAwaited(hosted);
  let lagging = false;
  for (const member of hosted.members.values()) lagging ||= member.lagging;
  if (hosted.open.size === 0 && !lagging) return { events, effects };
  effects.push(alarm(limits.redeliverMs));
  if (oldest !== undefined && now.steady - oldest.postedAt >= limits.redeliverMs) {
    const late = new Set<UserId>();
    for (const address of oldest.roster) {
      const user = address.id as UserId;
      const member = hosted.members.get(user);
      if (member !== undefined && member.confirmed < oldest.entry.seq && !member.lagging) late.add(user);
    }
    if (now.steady - oldest.postedAt >= limits.lagAfterMs) {
      for (const user of late) events.push({ kind: 'lagged', hosted, user });
      effects.push(...settledWithout(hosted, late));
    } else {
      effects.push(...retell(hosted, limits, (user) => late.has(user)));
      events.push({ kind: 'retold', hosted, at: oldest.postedAt });
    }
  }
  for (const [user, member] of hosted.members) {
    if (member.lagging && member.confirmed < (member.until ?? hosted.lastSeq))
      effects.push(redeliver(hosted, user, member.confirmed, limits));
  }
  return { events, effects };
}

/** Tells the others the watermarks of these members. */
function announcements(hosted: Hosted, users: Iterable<UserId>, limits: MessengerLimits): Effect[] {
  const effects: Effect[] = [];
  if (hosted.roster.length > limits.receiptMembersMax) return effects;
  for (const user of users) {
    const member = memberOf(hosted, user);
    if (member === undefined) continue;
    const receipt: MemberCommand = { kind: 'receipt', conversation: hosted.id, user, delivered: member.delivered, read: member.read };
    for (const address of hosted.roster) {
      if (address.id !== user && !isBarred(hosted, user, address.id as UserId)) effects.push(tellMember(address, receipt));
    }
  }
  return effects;
}

/** The same for conversations that are about to leave the memory; afterwards it is taken as told. */
export function lastAnnouncements(all: Iterable<Hosted>, limits: MessengerLimits): Effect[] {
  const effects: Effect[] = [];
  for (const hosted of all) {
    if (hosted.unannounced === undefined) continue;
    effects.push(...announcements(hosted, hosted.unannounced, limits));
    receiptsTold(hosted);
  }
  return effects;
}

/**
 * What becomes of the watermarks of a lost state. Members told them, so they are true, whatever wasn't stored: its successor
 * is told them again where it may lack them (`restored`: where that is known), and the others where they may not have heard.
 */
export function carryMarks(lost: Hosted, restored: Hosted | undefined, limits: MessengerLimits): Effect[] {
  const effects = announcements(lost, new Set([...(lost.announced ?? NOTHING), ...(lost.unannounced ?? NOTHING)]), limits);
  for (const [user, { delivered, read, until }] of lost.members) {
    const known = restored?.members.get(user);
    if (until !== undefined || (known !== undefined && known.delivered >= delivered && known.read >= read)) continue;
    effects.push(tellHost({ kind: 'mark', conversation: lost.id, user, delivered, read }));
  }
  return effects;
}
