import type { ClientId, ConversationId, UserId } from '../ids.ts';
import { SmallMap } from '../small-map.ts';
import { remember } from './answered.ts';
import { batchOf, type Entry } from './entry.ts';
import { applyHosted, type HostEvent } from './host-events.ts';
import type { NewRun, Run } from './inbox.ts';
import { advance, moveRead, newItem } from './item.ts';
import type { Asked, DeviceState, PresenceState, Visibility } from './messages.ts';
import {
  type AwaitedPresence,
  addDelivery,
  changed,
  type Deliveries,
  keepItem,
  lastLsn,
  type Pending,
  type Session,
  sameSession,
  type User,
} from './user-state.ts';

/** Everything that changes a user's state. Only `received` and what hosts append are in logs; see `conclude` in user.ts. */
export type UserEvent =
  | HostEvent
  | ({ readonly kind: 'received' } & NewRun)
  | { readonly kind: 'submitted'; readonly clientId: ClientId; readonly pending: Pending }
  | { readonly kind: 'joined-in'; readonly pending: Pending; readonly waiter: Asked }
  | { readonly kind: 'pending-settled'; readonly pending: Pending }
  /** A submission is done with. */
  | { readonly kind: 'answered'; readonly clientId: ClientId }
  | { readonly kind: 'connected'; readonly session: Session }
  | { readonly kind: 'disconnected'; readonly session: Session; readonly at: number }
  | { readonly kind: 'caught-up'; readonly session: Session; readonly live: boolean }
  | { readonly kind: 'acknowledged'; readonly cursor: number; readonly marks: ReadonlyMap<ConversationId, number> }
  | { readonly kind: 'read'; readonly conversation: ConversationId; readonly seq: number }
  | { readonly kind: 'peer-marked'; readonly conversation: ConversationId; readonly delivered: number; readonly read: number }
  | { readonly kind: 'peer-hidden'; readonly conversation: ConversationId; readonly on: boolean }
  | { readonly kind: 'remembered'; readonly conversation: ConversationId; readonly entries: readonly Entry[] }
  | { readonly kind: 'device-state'; readonly session: Session; readonly state: DeviceState }
  | { readonly kind: 'announced'; readonly state: PresenceState }
  | { readonly kind: 'offline-due'; readonly at: number | undefined; readonly lastSeen: number }
  | { readonly kind: 'watched'; readonly by: UserId; readonly heardAt: number }
  | { readonly kind: 'unwatched'; readonly by: readonly UserId[] }
  /** When (steady) watchers that fell silent are looked for. */
  | { readonly kind: 'watchers-due'; readonly at: number }
  | { readonly kind: 'watching'; readonly session: Session; readonly users: readonly UserId[]; readonly on: boolean }
  | { readonly kind: 'awaiting-presence'; readonly awaited: AwaitedPresence }
  | { readonly kind: 'presence-known'; readonly user: UserId; readonly state: PresenceState; readonly lastSeen: number | undefined }
  | { readonly kind: 'resubscribed'; readonly nextAt: number }
  | { readonly kind: 'muted'; readonly conversation: ConversationId; readonly until: number }
  | { readonly kind: 'visibility'; readonly visibility: Visibility }
  | { readonly kind: 'blocked'; readonly user: UserId; readonly on: boolean }
  | { readonly kind: 'expired'; readonly through: number }
  | { readonly kind: 'oldest-known'; readonly at: number | undefined }
  | { readonly kind: 'expiry-looked-for'; readonly nextAt: number }
  | { readonly kind: 'pending-expired'; readonly clientIds: readonly ClientId[] };

/** What acknowledgements behind this many runs of events cover is read back. */
const UNDELIVERED_MAX = 512;

/** Watches that may wait for their first presences at once; their sessions gave up on older ones. */
const AWAITED_MAX = 64;

/** The rules of the messenger that `apply` needs. */
export interface ApplySettings {
  readonly cacheEntriesMax: number;
}

export function applyUser(user: User, event: UserEvent, settings: ApplySettings): void {
  switch (event.kind) {
    case 'posted':
    case 'confirmed':
    case 'marked':
    case 'receipts-told':
    case 'barred':
    case 'retold':
    case 'lagged':
      applyHosted(event);
      break;
    case 'received':
      applyReceived(user, event, event.own, settings.cacheEntriesMax);
      break;
    case 'submitted':
      user.pending ??= new SmallMap();
      user.pending.set(event.clientId, event.pending);
      break;
    case 'joined-in':
      event.pending.waiters.push(event.waiter);
      break;
    case 'pending-settled':
      event.pending.settled = true;
      break;
    case 'answered':
      user.pending?.delete(event.clientId);
      break;
    case 'connected':
      user.sessions = [...user.sessions, event.session];
      break;
    case 'disconnected':
      removeSession(user, event.session, event.at);
      break;
    case 'caught-up':
      event.session.live = event.live;
      break;
    case 'acknowledged':
      applyAcknowledged(user, event.cursor, event.marks);
      break;
    case 'read': {
      const item = user.items.get(event.conversation);
      if (item === undefined) break;
      moveRead(item, event.seq);
      item.delivered = Math.max(item.delivered, event.seq);
      changed(user, event.conversation);
      break;
    }
    case 'peer-marked': {
      const item = user.items.get(event.conversation);
      if (item === undefined) break;
      item.peerDelivered = Math.max(item.peerDelivered, event.delivered);
      item.peerRead = Math.max(item.peerRead, event.read);
      changed(user, event.conversation);
      break;
    }
    case 'peer-hidden': {
      // Where nothing was written yet, the line that will be begins with it; there is none to begin without.
      const item = user.items.get(event.conversation) ?? (event.on ? newItem(event.conversation, 1) : undefined);
      if (item === undefined) break;
      item.peerHidden = event.on;
      keepItem(user, item);
      changed(user, event.conversation);
      break;
    }
    case 'remembered': {
      const item = user.items.get(event.conversation);
      if (item === undefined) break;
      item.cache.replace(event.entries);
      break;
    }
    default:
      applyRest(user, event);
  }
}

function applyRest(user: User, event: UserEvent): void {
  switch (event.kind) {
    case 'device-state':
      event.session.state = event.state;
      break;
    case 'announced':
      user.announced = event.state;
      user.offlineAt = undefined;
      break;
    case 'offline-due':
      user.offlineAt = event.at;
      user.lastSeen = event.lastSeen;
      user.changed = true;
      break;
    case 'watched':
      user.watchers ??= new Map();
      user.watchers.set(event.by, event.heardAt);
      break;
    case 'unwatched':
      for (const watcher of event.by) user.watchers?.delete(watcher);
      if (user.watchers?.size === 0) user.watchers = undefined;
      break;
    case 'watchers-due':
      user.watchersDue = event.at;
      break;
    case 'watching':
      applyWatching(user, event.session, event.users, event.on);
      break;
    case 'awaiting-presence':
      user.awaited = [...(user.awaited ?? []).slice(1 - AWAITED_MAX), event.awaited];
      break;
    case 'presence-known': {
      const watched = user.watching?.get(event.user);
      if (watched !== undefined) {
        watched.state = event.state;
        watched.lastSeen = event.lastSeen;
      }
      for (const awaited of user.awaited ?? []) awaited.users.delete(event.user);
      const awaited = user.awaited?.filter(({ users }) => users.size > 0);
      user.awaited = awaited === undefined || awaited.length === 0 ? undefined : awaited;
      break;
    }
    case 'resubscribed':
      user.resubscribeAt = event.nextAt;
      break;
    case 'muted': {
      const item = user.items.get(event.conversation) ?? newItem(event.conversation, 1);
      item.mutedUntil = event.until;
      keepItem(user, item);
      changed(user, event.conversation);
      break;
    }
    case 'visibility':
      user.visibility = event.visibility;
      user.changed = true;
      break;
    case 'blocked':
      user.blocks ??= new Set();
      if (event.on) user.blocks.add(event.user);
      else user.blocks.delete(event.user);
      user.changed = true;
      break;
    case 'expired':
      user.floor = event.through;
      user.changed = true;
      break;
    case 'oldest-known':
      user.oldestAt = event.at;
      user.changed = true;
      break;
    case 'expiry-looked-for':
      user.expireAt = event.nextAt;
      break;
    case 'pending-expired':
      for (const clientId of event.clientIds) user.pending?.delete(clientId);
      break;
    default:
      break;
  }
}

export function applyReceived(user: User, run: Run, own: NewRun['own'], cacheMax: number): void {
  const { conversation, entries } = run.batch;
  let item = user.items.get(conversation);
  let lsn = run.firstLsn;
  let fresh = 0;
  if (lsn === user.floor + 1) user.oldestAt = entries[0]?.at;
  for (const entry of entries) {
    if (item === undefined || (run.starts && lsn === run.firstLsn && entry.seq > item.lastSeq)) {
      const { mutedUntil, peerHidden } = item ?? newItem(conversation, entry.seq);
      item = newItem(conversation, entry.seq);
      item.mutedUntil = mutedUntil;
      item.peerHidden = peerHidden;
      keepItem(user, item);
    }
    // A snapshot may reflect an event that is replayed after it.
    if (entry.seq > item.lastSeq) {
      advance(item, entry, lsn, user.id);
      fresh += 1;
    }
    if (entry.from !== user.id) noteUndelivered(user, lsn, conversation, entry.seq);
    // Of their own entries nobody tells anybody that they have them.
    else if (user.acknowledged === lsn - 1) user.acknowledged = lsn;
    if (entry.from === user.id && lsn > user.reflects) {
      const { clientId, kind, seq, at } = entry;
      const answer = { clientId, conversation, kind, seq, lsn, at };
      remember(user.answered, answer);
      const pending = own?.[lsn - run.firstLsn];
      if (pending !== undefined) pending.answer = answer;
    }
    lsn += 1;
  }
  if (fresh > 0) item?.cache.add(fresh === entries.length ? run.batch : batchOf(conversation, entries.slice(-fresh)), cacheMax);
  if (item !== undefined && run.summary !== undefined && run.summary.asOf >= (item.summary?.asOf ?? 0)) item.summary = run.summary;
  user.lsn = lsn - 1;
  changed(user, conversation);
}

function noteUndelivered(user: User, lsn: number, conversation: ConversationId, seq: number): void {
  if (lsn <= user.acknowledged) return;
  addDelivery(user.undelivered, lsn, conversation, seq);
  if (user.undelivered.length <= UNDELIVERED_MAX) return;
  const dropped = user.undelivered.splice(0, UNDELIVERED_MAX / 2).at(-1);
  if (dropped !== undefined) user.undeliveredAfter = lastLsn(dropped);
}

function removeSession(user: User, session: Session, at: number): void {
  user.sessions = user.sessions.filter((other) => other !== session);
  if (session.watches !== undefined) applyWatching(user, session, [...session.watches], false);
  if (user.awaited !== undefined) {
    const awaited = user.awaited.filter((waiting) => !sameSession(waiting.session, session.address));
    user.awaited = awaited.length === 0 ? undefined : awaited;
  }
  if (user.sessions.length === 0) {
    user.lastSeen = at;
    user.changed = true;
  }
}

function applyAcknowledged(user: User, cursor: number, marks: ReadonlyMap<ConversationId, number>): void {
  user.acknowledged = cursor;
  if (user.recalled !== undefined) {
    const deliveries = user.recalled.deliveries.filter((run) => lastLsn(run) > cursor);
    user.recalled = deliveries.length === 0 ? undefined : { ...user.recalled, deliveries };
  }
  let done = 0;
  while (done < user.undelivered.length && lastLsn(user.undelivered[done] as Deliveries) <= cursor) done += 1;
  if (done > 0) user.undelivered.splice(0, done);
  for (const [conversation, seq] of marks) {
    const item = user.items.get(conversation);
    if (item === undefined) continue;
    item.delivered = seq;
    changed(user, conversation);
  }
}

function applyWatching(user: User, session: Session, users: readonly UserId[], on: boolean): void {
  user.watching ??= new Map();
  session.watches ??= new Set();
  for (const other of users) {
    if (session.watches.has(other) === on) continue;
    const watched = user.watching.get(other) ?? { watchers: 0, state: undefined, lastSeen: undefined };
    watched.watchers += on ? 1 : -1;
    if (watched.watchers === 0) user.watching.delete(other);
    else user.watching.set(other, watched);
    if (on) session.watches.add(other);
    else session.watches.delete(other);
  }
  if (user.watching.size === 0) user.watching = undefined;
}
