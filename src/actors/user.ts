import { appended } from '../appended.ts';
import { CLOSE } from '../close-codes.ts';
import type { ActorKind, Conclusion, Effect, Moment, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { isGroup, type UserId } from '../ids.ts';
import type { StoreTraits } from '../storage/store.ts';
import { decideAck } from './acknowledging.ts';
import { compact } from './compact.ts';
import { ConclusionDraft } from './conclusion-draft.ts';
import { carryMarks, decideHostAlarm, decideHosted, lastAnnouncements } from './conversation.ts';
import { decideConnect, decideDisconnect, decideExpire, decidePull, decideRead, expireEvents, readable } from './devices.ts';
import { answer, push, refuse, tellHost } from './effects.ts';
import { concludeHosted, type HostEvent, hostedIdle } from './host-events.ts';
import type { Hosted } from './hosted.ts';
import { isDirty, mayClose } from './hosted-rows.ts';
import { inboxRows, type NewRun, tellSessions } from './inbox.ts';
import { moveRead, putItem } from './item.ts';
import { decideConversations, decideHistory, decideRemember } from './listing.ts';
import { isForHost, loadFor } from './loading.ts';
import type { HostCommand, MessengerLimits, UserActorSettings, UserCommand } from './messages.ts';
import { decideBarRefused, decideBarred, decideBlock, decideMute, decideSettings } from './preferences.ts';
import {
  decidePresence,
  decidePresenceOf,
  decideUnwatch,
  decideUnwatchedBy,
  decideWatch,
  decideWatchedBy,
  presenceAlarm,
} from './presence.ts';
import { decideDeliver, decideReceipt, decideTypingBy } from './receive.ts';
import { askedAgain, decideRefused, decideSettled, decideSubmit, expirePending } from './submit.ts';
import { applyUser, type UserEvent } from './user-events.ts';
import { deriveUser, putUser, restoreUser, userDirty, userUnclosed } from './user-rows.ts';
import { changed, type User } from './user-state.ts';

const NOTHING: readonly never[] = [];

/** A user: its devices and their inbox, presence, the cache of its conversations, and the direct ones that it hosts. */
export function userActor(limits: UserActorSettings, { ordered }: Pick<StoreTraits, 'ordered'>): ActorKind<User, UserCommand, UserEvent> {
  const rows = { cacheEntriesMax: limits.cacheEntriesMax, marked: ordered };
  return {
    kind: 'user',
    restore: (id, lost) => restoreUser(id as UserId, lost, rows),
    load: loadFor,
    decide: (user, command, now) => decide(user, command, now, limits),
    apply: (user, event) => applyUser(user, event, limits),
    conclude,
    refuse,
    vital: ({ kind }) => kind === 'disconnect' || kind === 'pull',
    sheddable: ({ kind }) => kind === 'typing' || kind === 'typed' || kind === 'typing-by' || kind === 'receipt',
    fromClient,
    dirty: userDirty,
    derive: (user, epoch) => deriveUser(user, epoch, rows, false),
    unclosed: (user) => userUnclosed(user, rows) || owesReceipts(user),
    close: (user, epoch) => ({
      effects: lastAnnouncements(user.hosted?.values() ?? NOTHING, limits),
      writes: deriveUser(user, epoch, rows, true),
    }),
    idle: (user) =>
      user.sessions.length === 0 &&
      user.offlineAt === undefined &&
      (user.pending?.size ?? 0) === 0 &&
      user.watchers === undefined &&
      hostsIdle(user),
    tidy: (user) => tidy(user, limits, ordered),
    bytes: estimateBytes,
    carry: (from, to) => carry(from, to, limits),
    abandon: (user) =>
      user.sessions.map(({ address }) => ({ kind: 'close', session: address, code: CLOSE.goingAway, reason: 'connect again' })),
  };
}

function fromClient(command: UserCommand): boolean {
  switch (command.kind) {
    case 'disconnect':
    case 'pull':
    case 'ack':
      return false;
    // What others' actors ask for them.
    case 'post':
    case 'list-members':
    case 'list-receipts':
      return true;
    default:
      return 'session' in command;
  }
}

function decide(user: User, command: UserCommand, now: Moment, limits: UserActorSettings): Outcome<UserEvent> {
  if (isForHost(command)) return decideHosted(hostedOf(user, command), command, now, limits);
  switch (command.kind) {
    case 'submit':
      return decideSubmit(user, command, now, limits);
    case 'deliver':
      return decideDeliver(user, command);
    case 'settled':
      return decideSettled(user, command);
    case 'refused':
      return decideRefused(user, command);
    case 'connect':
      return decideConnect(user, command, now, limits);
    case 'disconnect':
      return decideDisconnect(user, command, now, limits);
    case 'pull':
      return decidePull(user, command);
    case 'ack':
      return decideAck(user, command);
    case 'read':
      return decideRead(user, command);
    case 'history':
      return decideHistory(user, command, limits);
    case 'conversations':
      return decideConversations(user, command, now);
    case 'receipts':
    case 'info':
    case 'typing':
      return forward(user, command);
    case 'receipt':
      return decideReceipt(user, command);
    case 'typing-by':
      return decideTypingBy(user, command);
    case 'peer-hidden':
      return { events: [command], effects: NOTHING };
    case 'remember':
      return decideRemember(user, command.conversation, command.entries);
    case 'expire':
      return decideExpire(user, command);
    case 'alarm':
      return decideAlarm(user, now, limits);
    default:
      return decideSocial(user, command, now, limits);
  }
}

type Social = Extract<
  UserCommand,
  {
    kind:
      | 'watch'
      | 'unwatch'
      | 'presence'
      | 'watched-by'
      | 'unwatched-by'
      | 'presence-of'
      | 'mute'
      | 'settings'
      | 'block'
      | 'unblock'
      | 'barred'
      | 'bar-refused';
  }
>;

function decideSocial(user: User, command: Social, now: Moment, limits: MessengerLimits): Outcome<UserEvent> {
  switch (command.kind) {
    case 'watch':
      return decideWatch(user, command, now, limits);
    case 'unwatch':
      return decideUnwatch(user, command);
    case 'presence':
      return decidePresence(user, command);
    case 'watched-by':
      return decideWatchedBy(user, command.user, now, limits);
    case 'unwatched-by':
      return decideUnwatchedBy(user, command.user);
    case 'presence-of':
      return decidePresenceOf(user, command);
    case 'mute':
      return decideMute(user, command);
    case 'settings':
      return decideSettings(user, command);
    case 'block':
    case 'unblock':
      return decideBlock(user, command, limits);
    case 'barred':
      return decideBarred(user, command.bar);
    case 'bar-refused':
      return decideBarRefused(user, command);
  }
}

function hostedOf(user: User, command: HostCommand): Hosted {
  const hosted = user.hosted?.get(command.conversation);
  if (hosted === undefined) throw new Failure('internal', 'a conversation was decided before it was loaded');
  return hosted;
}

/** What the conversation's host answers, once the user is known to be in it. */
function forward(user: User, command: Extract<UserCommand, { kind: 'receipts' | 'info' | 'typing' }>): Outcome<UserEvent> {
  const { conversation, session, tag } = command;
  if (command.kind === 'info' && !isGroup(conversation)) throw new Failure('not-found', 'this is not a group');
  readable(user, conversation);
  switch (command.kind) {
    case 'receipts':
      return { events: NOTHING, effects: [tellHost({ kind: 'list-receipts', conversation, user: user.id, id: command.id, session, tag })] };
    case 'info':
      return { events: NOTHING, effects: [tellHost({ kind: 'list-members', conversation, user: user.id, id: command.id, session, tag })] };
    case 'typing': {
      const effects = [tellHost({ kind: 'typed', conversation, user: user.id })];
      if (command.id !== undefined) effects.push(answer(command, { type: 'done', id: command.id }));
      return { events: NOTHING, effects };
    }
  }
}

function decideAlarm(user: User, now: Moment, limits: MessengerLimits): Outcome<UserEvent> {
  const events: UserEvent[] = [];
  const effects: Effect[] = [];
  presenceAlarm(user, now, limits, events, effects);
  expirePending(user, now, limits, events, effects);
  expireEvents(user, now, limits, events, effects);
  for (const hosted of user.hosted?.values() ?? NOTHING) {
    const due = decideHostAlarm(hosted, now, limits);
    events.push(...due.events);
    effects.push(...due.effects);
  }
  return { events, effects };
}

function conclude(user: User, events: readonly UserEvent[], epoch: number): Conclusion {
  const draft = new ConclusionDraft();
  let hostEvents: HostEvent[] | undefined;
  let runs: NewRun[] | undefined;
  let userRow = false;
  for (const event of events) {
    switch (event.kind) {
      case 'received':
        runs = appended(runs, event);
        break;
      case 'posted':
      case 'barred':
      case 'lagged':
        hostEvents = appended(hostEvents, event);
        break;
      case 'peer-hidden':
      case 'muted': {
        const item = user.items.get(event.conversation);
        if (item !== undefined) draft.write(putItem(item, user.id, epoch));
        user.listPacked = false;
        userRow = true;
        break;
      }
      case 'visibility':
      case 'blocked':
        userRow = true;
        break;
      case 'expired':
        userRow = true;
        draft.write({ kind: 'prune', log: 'inbox', of: user.id, through: event.through });
        break;
      default:
        break;
    }
  }
  if (runs !== undefined && !user.tailMarked) {
    user.tailMarked = true;
    userRow = true;
  }
  if (userRow) draft.write(putUser(user, epoch));
  if (hostEvents !== undefined) concludeHosted(hostEvents, epoch, draft);
  if (runs !== undefined) {
    for (const write of inboxRows(user.id, runs, epoch)) draft.write(write);
    if (user.sessions.length > 0) tellSessions(user, runs, draft);
  }
  return draft;
}

/** Sessions, what belongs to them and watermarks outlive a lost state; of the rest the store knows better. */
function carry(from: User, to: User, limits: MessengerLimits): readonly Effect[] {
  for (const { id, read, delivered, peerDelivered, peerRead } of from.items.values()) {
    const item = to.items.get(id);
    if (item === undefined) continue;
    if (Math.min(read, item.lastSeq) > item.read) moveRead(item, Math.min(read, item.lastSeq));
    item.delivered = Math.max(item.delivered, Math.min(delivered, item.lastSeq));
    item.peerDelivered = Math.max(item.peerDelivered, Math.min(peerDelivered, item.lastSeq));
    item.peerRead = Math.max(item.peerRead, Math.min(peerRead, item.lastSeq));
    changed(to, id);
  }
  to.sessions = from.sessions;
  for (const session of to.sessions) session.live = false;
  to.announced = from.announced;
  to.offlineAt = from.offlineAt;
  to.watchers = from.watchers;
  to.watchersDue = from.watchersDue;
  to.watching = from.watching;
  to.resubscribeAt = from.resubscribeAt;
  to.pending = from.pending === undefined ? undefined : askedAgain(from.pending, to);
  // What else is told to live sessions only, they have to ask for.
  const stale = to.sessions.map(({ address }) => push(address, { type: 'stale' }));
  const marks = [...(from.hosted?.values() ?? NOTHING)].flatMap((hosted) => carryMarks(hosted, undefined, limits));
  return [...stale, ...marks];
}

const owesReceipts = (user: User): boolean => {
  for (const { unannounced } of user.hosted?.values() ?? NOTHING) if (unannounced !== undefined) return true;
  return false;
};

const hostsIdle = (user: User): boolean => {
  for (const hosted of user.hosted?.values() ?? NOTHING) if (!hostedIdle(hosted)) return false;
  return true;
};

/** Conversations that weren't needed for some time are read again when they are. `closes`: their rows first say that nothing comes after. */
function tidy(user: User, limits: MessengerLimits, closes: boolean): void {
  compact(user.items.values());
  for (const hosted of user.hosted?.values() ?? NOTHING) {
    hosted.unused += 1;
    if (hosted.unused <= limits.hostedUnusedMax || !hostedIdle(hosted) || isDirty(hosted)) continue;
    if (closes && mayClose(hosted)) hosted.closing = true;
    else user.hosted?.delete(hosted.id);
  }
}

/** What these take on 64 bits, as measured on a full heap with its host; containers, their slots and buffers included. */
const BYTES = {
  ...{ user: 1900, session: 120, name: 60, item: 420, number: 8 },
  ...{ hosted: 1000, member: 150, open: 300, pending: 300, delivery: 60 },
} as const;

function estimateBytes(user: User): number {
  let bytes =
    BYTES.user +
    user.answered.recent.bytes +
    user.answered.unwritten.bytes +
    user.undelivered.length * BYTES.delivery +
    user.answered.filters.bytes;
  for (const { watches } of user.sessions) bytes += BYTES.session + (watches?.size ?? 0) * BYTES.name;
  for (const { own, cache } of user.items.values()) {
    bytes += BYTES.item + own.length * BYTES.number;
    bytes += cache.bytes;
  }
  for (const { members, open } of user.hosted?.values() ?? NOTHING) {
    bytes += BYTES.hosted + members.size * BYTES.member + open.size * BYTES.open;
  }
  bytes += (user.pending?.size ?? 0) * BYTES.pending;
  const names = (user.watchers?.size ?? 0) + 2 * (user.watching?.size ?? 0) + (user.blocks?.size ?? 0);
  return bytes + names * BYTES.name;
}
