import type { SessionAddress } from '../cluster/actor.ts';
import type { ClientId, ConversationId, DeviceId, UserId } from '../ids.ts';
import type { SmallMap } from '../small-map.ts';
import { type Answered, emptyAnswered } from './answered.ts';
import type { EntryKind } from './entry.ts';
import type { Hosted } from './hosted.ts';
import type { Item } from './item.ts';
import type { Answer, Asked, DeviceState, PresenceState, Visibility } from './messages.ts';

/** A connected device. */
export interface Session {
  readonly address: SessionAddress;
  readonly device: DeviceId;
  readonly by: 'socket' | 'poll';
  /** It has everything so far and is told events as they come; else it pulls. */
  live: boolean;
  state: DeviceState;
  watches: Set<UserId> | undefined;
}

/** A submission that isn't answered yet. */
export interface Pending {
  readonly conversation: ConversationId;
  readonly kind: EntryKind;
  /** On the steady clock. */
  readonly since: number;
  /** Those after the first are told `duplicate`. */
  readonly waiters: Asked[];
  /** It was answered in an earlier life of this activation: all are told `duplicate`. */
  readonly repeated: boolean;
  /** Every other member has it, but this one was told of that first. */
  settled: boolean;
  /** The request to the host may have gone with a lost state. */
  readonly perhapsLost: boolean;
  /** What it will be answered with, once this user has the entry. */
  answer: Answer | undefined;
}

/** What the user is told of somebody whom a session watches. */
export interface Watched {
  watchers: number;
  state: PresenceState | undefined;
  lastSeen: number | undefined;
}

/** A `watch` whose first presences aren't all there yet. */
export interface AwaitedPresence extends Asked {
  readonly id: string | undefined;
  readonly users: Set<UserId>;
}

/** Events of one conversation whose lsns and seqs follow one another, from these on. */
export interface Deliveries {
  readonly lsn: number;
  readonly conversation: ConversationId;
  readonly seq: number;
  count: number;
}

export const lastLsn = ({ lsn, count }: Deliveries): number => lsn + count - 1;

/** Adds what comes after all that is there. */
export function addDelivery(deliveries: Deliveries[], lsn: number, conversation: ConversationId, seq: number): void {
  const last = deliveries.at(-1);
  const follows = last !== undefined && last.lsn + last.count === lsn && last.seq + last.count === seq;
  if (follows && last.conversation === conversation) last.count += 1;
  else deliveries.push({ lsn, conversation, seq, count: 1 });
}

/** Everything a user's actor knows. What few users need is made when it is needed. */
export interface User {
  readonly id: UserId;
  /** The newest event's. */
  lsn: number;
  /** Events up to this one are no longer kept. */
  floor: number;
  /** The item rows reflect the inbox up to here. */
  reflects: number;
  /** The lines of the conversation list that are in memory; `keepItem` adds one. */
  items: ReadonlyMap<ConversationId, Item>;
  /** `items` holds the whole list. */
  listComplete: boolean;
  /** The row of the table `list` holds all lines as they are in theirs. */
  listPacked: boolean;
  /** A conversation that was looked for in the stored list and isn't there. */
  unlisted: ConversationId | undefined;
  /** Lines that changed since their rows were written; undefined: none. */
  changedItems: Set<ConversationId> | undefined;
  readonly answered: Answered;
  sessions: Session[];
  pending: SmallMap<ClientId, Pending> | undefined;
  hosted: Map<ConversationId, Hosted> | undefined;
  /** Others' events that no device has acknowledged, of those after `undeliveredAfter`. */
  undelivered: Deliveries[];
  undeliveredAfter: number;
  /** What was read of those before `undeliveredAfter`: after `acknowledged` through this lsn. */
  recalled: { readonly through: number; readonly deliveries: readonly Deliveries[] } | undefined;
  /** All events up to this one were acknowledged; those between it and `undeliveredAfter` have to be looked for. */
  acknowledged: number;
  /** The same as of the last snapshot, which the marks that were made until then are in. */
  acknowledgedStored: number;
  visibility: Visibility;
  blocks: Set<UserId> | undefined;
  announced: PresenceState;
  /** When (steady) the user is said to be offline. */
  offlineAt: number | undefined;
  lastSeen: number | undefined;
  /** Who watches this user, and when (steady) each last said so. */
  watchers: Map<UserId, number> | undefined;
  /** When (steady) those who no longer say so are looked for. */
  watchersDue: number;
  watching: Map<UserId, Watched> | undefined;
  awaited: AwaitedPresence[] | undefined;
  /** When (steady) those who are watched are told so again. */
  resubscribeAt: number;
  /** No row of the inbox may be pruned before this time (wall) and `inboxKeepMs` later; undefined: not known. */
  oldestAt: number | undefined;
  /** When (steady) events too old are looked for next, where there may be any. */
  expireAt: number;
  /** The user row changed. */
  changed: boolean;
  /** The stored user row says that there may be events after those that it reflects. */
  tailMarked: boolean;
}

/** A map takes as much memory as a connection's actor else has, and many users are loaded without one line. */
const NO_ITEMS: ReadonlyMap<ConversationId, Item> = new Map();

export const newUser = (id: UserId): User => ({
  id,
  lsn: 0,
  floor: 0,
  reflects: 0,
  items: NO_ITEMS,
  listComplete: false,
  listPacked: false,
  unlisted: undefined,
  changedItems: undefined,
  answered: emptyAnswered(),
  sessions: [],
  pending: undefined,
  hosted: undefined,
  undelivered: [],
  undeliveredAfter: 0,
  recalled: undefined,
  acknowledged: 0,
  acknowledgedStored: 0,
  visibility: 'everyone',
  blocks: undefined,
  announced: 'offline',
  offlineAt: undefined,
  lastSeen: undefined,
  watchers: undefined,
  watchersDue: 0,
  watching: undefined,
  awaited: undefined,
  resubscribeAt: 0,
  oldestAt: undefined,
  expireAt: 0,
  changed: false,
  tailMarked: false,
});

export function keepItem(user: User, item: Item): void {
  if (user.items === NO_ITEMS) user.items = new Map();
  (user.items as Map<ConversationId, Item>).set(item.id, item);
}

/** Notes that a line is to be written. */
export function changed(user: User, conversation: ConversationId): void {
  user.changedItems ??= new Set();
  user.changedItems.add(conversation);
}

export const sameSession = (one: SessionAddress, other: SessionAddress): boolean =>
  one === other || (one.id === other.id && one.node === other.node);

export const sessionAt = (user: User, address: SessionAddress): Session | undefined =>
  user.sessions.find((session) => sameSession(session.address, address));
