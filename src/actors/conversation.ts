import type { Effect, Moment, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { isGroup, nameFor, peerOf, type UserId } from '../ids.ts';
import { splitAt, type Write } from '../storage/store.ts';
import { userAddress } from './addresses.ts';
import { alarm, answer, tellMember } from './effects.ts';
import { type Batch, batchOf, type Entry, pack, packEntry, unpackEntries } from './entry.ts';
import { applyOperation, requireMember, ruleOn } from './group-operations.ts';
import { confirmedSeq, type Hosted, type Member, memberOf, newMember, openEntry, previousOf } from './hosted.ts';
import { putHost, putMember } from './hosted-rows.ts';
import type { GroupSummary, HostCommand, MemberCommand, MessengerLimits, ServerFrame, SettledEntry } from './messages.ts';
import type { OpenEntry, Roster } from './open-entries.ts';

/**
 * The host's side of a conversation: it orders entries, drops repeated ones, tells them to every member and
 * knows who has them. Used by a user for its direct conversations and by a group; both keep a `Hosted`.
 */
export type HostEvent =
  | { readonly kind: 'posted'; readonly hosted: Hosted; readonly entry: Entry; readonly roster: Roster; readonly at: number }
  | { readonly kind: 'confirmed'; readonly hosted: Hosted; readonly user: UserId; readonly seq: number }
  | {
      readonly kind: 'marked';
      readonly hosted: Hosted;
      readonly user: UserId;
      readonly delivered: number;
      readonly read: number;
      readonly announceAt: number;
    }
  | { readonly kind: 'receipts-told'; readonly hosted: Hosted }
  | { readonly kind: 'barred'; readonly hosted: Hosted; readonly by: UserId; readonly on: boolean }
  | { readonly kind: 'retold'; readonly hosted: Hosted; readonly at: number }
  | { readonly kind: 'lagged'; readonly hosted: Hosted; readonly user: UserId };

const NOTHING: readonly never[] = [];
const SILENCE: Outcome<HostEvent> = { events: NOTHING, effects: NOTHING };

export function decideHosted(hosted: Hosted, command: HostCommand, now: Moment, limits: MessengerLimits): Outcome<HostEvent> {
  return recovered(hosted, decideCommand(hosted, command, now, limits), now, limits);
}

/** With the first command after a restart, what can't be proven confirmed is told again. */
function recovered(hosted: Hosted, outcome: Outcome<HostEvent>, now: Moment, limits: MessengerLimits): Outcome<HostEvent> {
  if (!hosted.recovering) return outcome;
  const effects: Effect[] = [...retell(hosted, () => true), ...outcome.effects, alarm(limits.redeliverMs)];
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
        tellMember(userAddress(by), { kind: 'barred', conversation: hosted.id, on }),
        tellMember(other, { kind: 'peer-hidden', conversation: hosted.id, on }),
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
  const effects: Effect[] = [];
  // Nobody else is waited for: the sender is alone, or all the others lag.
  if (!roster.some(({ id }) => id !== from && hosted.members.get(id as UserId)?.lagging !== true))
    effects.push(settled(hosted, from, [entry]));
  // With entries open already, an alarm is on its way.
  if (hosted.open.size === 0) effects.push(alarm(limits.redeliverMs));
  return { events: [{ kind: 'posted', hosted, entry, roster, at: now.steady }], effects };
}

const settled = (hosted: Hosted, from: UserId, entries: readonly SettledEntry[]): Effect =>
  tellMember(userAddress(from), { kind: 'settled', conversation: hosted.id, entries });

function decideConfirm(hosted: Hosted, user: UserId, seq: number, limits: MessengerLimits): Outcome<HostEvent> {
  const member = hosted.members.get(user);
  if (member === undefined || seq <= member.confirmed) return SILENCE;
  const effects: Effect[] = [];
  if (!member.lagging) {
    // One command for each run of entries of the same sender.
    let run: Entry[] = [];
    for (let at = firstOwed(hosted, member); at <= seq; at++) {
      const open = hosted.open.get(at);
      if (open === undefined || open.waiting !== 1 || open.entry.from === user || !owes(open, user, member)) continue;
      const { entry } = open;
      if (run.length > 0 && run[0]?.from !== entry.from) {
        effects.push(settled(hosted, (run[0] as Entry).from, run));
        run = [];
      }
      run.push(entry);
    }
    if (run[0] !== undefined) effects.push(settled(hosted, run[0].from, run));
  } else if (seq < hosted.lastSeq) effects.push(redeliver(hosted, user, seq, limits));
  return { events: [{ kind: 'confirmed', hosted, user, seq: Math.min(seq, hosted.lastSeq) }], effects };
}

/** The first entry that a member's confirmation can be about. */
const firstOwed = (hosted: Hosted, member: Member): number => Math.max(member.confirmed, confirmedSeq(hosted)) + 1;

/** Whether an open entry is for the member: one who was away and came back has missed some. */
const owes = (open: OpenEntry, user: UserId, member: Member): boolean =>
  member.before === undefined || open.roster.some(({ id }) => id === user);

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
      if (hosted.roster.length <= limits.receiptMembersMax) effects.push(...announcements(hosted, hosted.unannounced));
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
      effects.push(...retell(hosted, (user) => late.has(user)));
      events.push({ kind: 'retold', hosted, at: oldest.postedAt });
    }
  }
  for (const [user, member] of hosted.members) {
    if (member.lagging && member.confirmed < (member.until ?? hosted.lastSeq))
      effects.push(redeliver(hosted, user, member.confirmed, limits));
  }
  return { events, effects };
}

/** The first entry that a member who isn't lagging lacks. */
function oldestAwaited(hosted: Hosted): OpenEntry | undefined {
  for (const open of hosted.open.values()) {
    const awaited = open.roster.some(({ id }) => {
      const member = hosted.members.get(id as UserId);
      return member !== undefined && !member.lagging && member.confirmed < open.entry.seq;
    });
    if (awaited) return open;
  }
  return undefined;
}

function settledWithout(hosted: Hosted, late: ReadonlySet<UserId>): Effect[] {
  const effects: Effect[] = [];
  for (const open of hosted.open.values()) {
    const without = open.roster.filter(
      ({ id }) => late.has(id as UserId) && id !== open.entry.from && lacks(hosted, id as UserId, open.entry.seq),
    ).length;
    if (open.waiting > 0 && open.waiting === without) effects.push(settled(hosted, open.entry.from, [open.entry]));
  }
  return effects;
}

const lacks = (hosted: Hosted, user: UserId, seq: number): boolean => (hosted.members.get(user)?.confirmed ?? 0) < seq;

function announcements(hosted: Hosted, users: ReadonlySet<UserId>): Effect[] {
  const effects: Effect[] = [];
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

/** Tells open entries again to the members chosen that lack them, in as few commands as their rosters allow. */
function retell(hosted: Hosted, chosen: (user: UserId) => boolean): Effect[] {
  const effects: Effect[] = [];
  let run: Entry[] = [];
  let roster: Roster = [];
  const tellRun = (): void => {
    const last = run.at(-1);
    if (last === undefined) return;
    const batch = batchOf(hosted.id, run);
    for (const address of roster) {
      const user = address.id as UserId;
      if (chosen(user) && lacks(hosted, user, last.seq)) effects.push(tellMember(address, delivery(hosted, batch, user)));
    }
    run = [];
  };
  for (const open of hosted.open.values()) {
    // Who an operation brings or takes begins or ends with it, so it goes alone.
    const follows =
      open.entry.kind === 'message' &&
      run.at(-1)?.kind === 'message' &&
      open.roster === roster &&
      run.at(-1)?.seq === open.entry.seq - 1 &&
      run.length < RETELL_ENTRIES;
    if (!follows) tellRun();
    roster = open.roster;
    run.push(open.entry);
  }
  tellRun();
  return effects;
}

/** Open entries that one command carries. */
const RETELL_ENTRIES = 128;

/** Reads the log after what the member has, and tells it. */
function redeliver(hosted: Hosted, user: UserId, after: number, limits: MessengerLimits): Effect {
  const member = hosted.members.get(user);
  const before = member?.before;
  const earlier = before !== undefined && after < before.until;
  const since = (earlier ? before.since : member?.since) ?? 1;
  const until = (earlier ? before.until : member?.until) ?? hosted.lastSeq;
  const from = Math.max(after, since - 1);
  const through = Math.min(until, from + limits.redeliverEntriesMax);
  const summary = summaryOf(hosted);
  return {
    kind: 'look',
    *look() {
      if (member === undefined || through <= from) return NOTHING;
      const [rows] = yield [
        { kind: 'forward', log: 'conversation', of: hosted.id, after: from, through, limit: limits.redeliverEntriesMax },
      ];
      const entries = (rows ?? []).flatMap((row) => unpackEntries(row.payload)).filter(({ seq }) => seq > from && seq <= through);
      if (entries.length === 0) return NOTHING;
      const previous = from < since ? 0 : from;
      return [tellMember(userAddress(user), { kind: 'deliver', batch: batchOf(hosted.id, entries), previous, summary })];
    },
    failed: () => NOTHING,
  };
}

export const summaryOf = (hosted: Hosted): GroupSummary | undefined =>
  isGroup(hosted.id) ? { title: hosted.title, members: hosted.roster.length } : undefined;

function delivery(hosted: Hosted, batch: Batch, user: UserId): MemberCommand {
  const first = (batch.entries[0] as Entry).seq;
  return { kind: 'deliver', batch, previous: previousOf(hosted.members.get(user), first), summary: summaryOf(hosted) };
}

export function applyHosted(event: HostEvent): void {
  const { hosted } = event;
  hosted.unused = 0;
  switch (event.kind) {
    case 'posted':
      hosted.lastSeq = event.entry.seq;
      hosted.lastAt = event.entry.at;
      hosted.changed = true;
      if (event.entry.kind !== 'message') applyOperation(hosted, event.entry);
      openEntry(hosted, event.entry, event.roster, event.at);
      break;
    case 'confirmed':
      applyConfirmed(hosted, event.user, event.seq);
      break;
    case 'marked': {
      const member = memberOf(hosted, event.user) ?? newMember('member', 1);
      member.delivered = event.delivered;
      member.read = event.read;
      hosted.changedMembers.add(event.user);
      if (hosted.unannounced === undefined) {
        hosted.unannounced = new Set();
        hosted.announceAt = event.announceAt;
      }
      hosted.unannounced.add(event.user);
      break;
    }
    case 'receipts-told':
      hosted.unannounced = undefined;
      break;
    case 'barred':
      hosted.barredBy = event.on ? [...hosted.barredBy, event.by] : hosted.barredBy.filter((user) => user !== event.by);
      break;
    case 'retold':
      hosted.recovering = false;
      for (const open of hosted.open.values()) if (open.postedAt === 0) open.postedAt = event.at;
      break;
    case 'lagged':
      applyLagged(hosted, event.user);
      break;
  }
}

function applyConfirmed(hosted: Hosted, user: UserId, seq: number): void {
  const member = hosted.members.get(user);
  if (member === undefined) return;
  const from = firstOwed(hosted, member);
  member.confirmed = seq;
  for (let at = from; at <= seq; at++) {
    const open = hosted.open.get(at);
    if (open === undefined || !owes(open, user, member)) continue;
    if (open.entry.from === user) open.senderHas = true;
    else if (!member.lagging) open.waiting -= 1;
    closeIfDone(hosted, open);
  }
  if (member.lagging) {
    hosted.changedMembers.add(user);
    if (seq >= (member.until ?? hosted.lastSeq)) member.lagging = false;
  }
}

function applyLagged(hosted: Hosted, user: UserId): void {
  const member = hosted.members.get(user);
  if (member === undefined || member.lagging) return;
  member.lagging = true;
  hosted.changedMembers.add(user);
  for (const open of hosted.open.values()) {
    if (open.entry.seq <= member.confirmed || !open.roster.some(({ id }) => id === user)) continue;
    // A sender's own entry stays open: until they have it, only here is it known that a resend is one.
    if (open.entry.from === user) continue;
    open.waiting -= 1;
    closeIfDone(hosted, open);
  }
}

function closeIfDone(hosted: Hosted, open: OpenEntry): void {
  if (open.waiting <= 0 && open.senderHas) hosted.open.close(open);
}

/** At the end of a turn: the rows of what was posted, and each member told of it. */
export function concludeHosted(events: readonly HostEvent[], epoch: number, writes: Write[], effects: Effect[]): void {
  for (let at = 0; at < events.length; ) {
    const event = events[at] as HostEvent;
    if (event.kind === 'barred') writes.push(putHost(event.hosted, epoch));
    else if (event.kind === 'lagged') {
      const member = event.hosted.members.get(event.user);
      if (member !== undefined) writes.push(putMember(event.hosted, event.user, member, epoch));
    } else if (event.kind === 'posted') {
      const run = runFrom(events, at);
      fanOut(event.hosted, event.roster, batchOf(event.hosted.id, run), epoch, writes, effects);
      at += run.length;
      continue;
    }
    at += 1;
  }
}

/** The entries from `at` on that go to the same members of the same conversation and may share a row. */
function runFrom(events: readonly HostEvent[], at: number): Entry[] {
  const first = events[at] as Extract<HostEvent, { kind: 'posted' }>;
  const run = [first.entry];
  const last = splitAt(first.entry.seq);
  for (let next = at + 1; next < events.length; next++) {
    const event = events[next] as HostEvent;
    if (event.kind !== 'posted' || event.hosted !== first.hosted || event.roster !== first.roster || event.entry.seq > last) break;
    run.push(event.entry);
  }
  return run;
}

function fanOut(hosted: Hosted, roster: Roster, batch: Batch, epoch: number, writes: Write[], effects: Effect[]): void {
  const first = (batch.entries[0] as Entry).seq;
  const last = first + batch.entries.length - 1;
  writes.push({ kind: 'append', log: 'conversation', of: hosted.id, first, last, epoch, payload: batch.packed });
  const summary = summaryOf(hosted);
  const later: MemberCommand = { kind: 'deliver', batch, previous: first - 1, summary };
  for (const address of roster) {
    const starts = previousOf(hosted.members.get(address.id as UserId), first) === 0;
    effects.push(tellMember(address, starts ? { kind: 'deliver', batch, previous: 0, summary } : later, 'ordered'));
  }
}

/** Nothing is under way: no entry is open, nothing is to be announced. */
export function hostedIdle(hosted: Hosted): boolean {
  if (hosted.open.size > 0 || hosted.unannounced !== undefined) return false;
  for (const member of hosted.members.values()) if (member.lagging) return false;
  return true;
}
