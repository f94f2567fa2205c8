import type { SessionAddress } from '../cluster/actor.ts';
import type { FailureCode } from '../failure.ts';
import type { ClientId, ConversationId, DeviceId, UserId } from '../ids.ts';
import type { Batch, Entry, EntryKind } from './entry.ts';

export type Role = 'owner' | 'admin' | 'member';
export type DeviceState = 'online' | 'away';
export type PresenceState = DeviceState | 'offline';
export type Visibility = 'everyone' | 'contacts' | 'nobody';

export interface Watermarks {
  readonly delivered: number;
  readonly read: number;
}

/** A client id's first answer. */
export interface Answer {
  readonly conversation: ConversationId;
  readonly kind: EntryKind;
  readonly seq: number;
  readonly lsn: number;
  readonly at: number;
}

// ── What a session asks of its user ─────────────────────────────────────────────────────────────────

/** The session that asks, and its number for the request: the answer carries it back. */
export interface Asked {
  readonly session: SessionAddress;
  readonly tag: number;
}

/** A group operation as asked for; the group makes an entry of it. `send` has its body packed already. */
export type Operation =
  | { readonly kind: 'message'; readonly body: Uint8Array }
  | { readonly kind: 'created'; readonly title: string; readonly members: readonly UserId[] }
  | { readonly kind: 'added'; readonly users: readonly UserId[] }
  | { readonly kind: 'removed'; readonly users: readonly UserId[] }
  | { readonly kind: 'left' }
  | { readonly kind: 'renamed'; readonly title: string }
  | { readonly kind: 'role'; readonly user: UserId; readonly role: Role };

export type SessionCommand =
  /** `emit`s `welcome`, and `reset` where the cursor can't be used. A `poll` session is one that long-polls. */
  | (Asked & { readonly kind: 'connect'; readonly device: DeviceId; readonly cursor: number | undefined; readonly by: 'socket' | 'poll' })
  | (Asked & { readonly kind: 'disconnect'; readonly device: DeviceId })
  /** Events after `after`: answered by one `events` frame per run and then `pulled`. */
  | (Asked & { readonly kind: 'pull'; readonly after: number; readonly limit: number })
  | (Asked & { readonly kind: 'ack'; readonly device: DeviceId; readonly cursor: number })
  /** Everything that adds an entry. A `created` without a group id gets one. */
  | (Asked & {
      readonly kind: 'submit';
      readonly conversation: ConversationId | undefined;
      readonly clientId: ClientId;
      readonly operation: Operation;
    })
  | (Asked & {
      readonly kind: 'history';
      readonly id: string;
      readonly conversation: ConversationId;
      readonly before: number | undefined;
      readonly after: number | undefined;
      readonly limit: number;
    })
  | (Asked & { readonly kind: 'conversations'; readonly id: string; readonly limit: number; readonly next: string | undefined })
  | (Asked & { readonly kind: 'read'; readonly conversation: ConversationId; readonly seq: number; readonly id: string | undefined })
  | (Asked & { readonly kind: 'receipts'; readonly conversation: ConversationId; readonly id: string })
  | (Asked & { readonly kind: 'typing'; readonly conversation: ConversationId; readonly id: string | undefined })
  | (Asked & { readonly kind: 'watch'; readonly users: readonly UserId[]; readonly id: string | undefined })
  | (Asked & { readonly kind: 'unwatch'; readonly users: readonly UserId[]; readonly id: string | undefined })
  | (Asked & { readonly kind: 'presence'; readonly device: DeviceId; readonly state: DeviceState; readonly id: string | undefined })
  | (Asked & { readonly kind: 'info'; readonly conversation: ConversationId; readonly id: string })
  | (Asked & { readonly kind: 'mute'; readonly conversation: ConversationId; readonly until: number; readonly id: string })
  | (Asked & { readonly kind: 'block'; readonly user: UserId; readonly id: string })
  | (Asked & { readonly kind: 'unblock'; readonly user: UserId; readonly id: string })
  | (Asked & { readonly kind: 'settings'; readonly presence: Visibility; readonly id: string });

// ── What actors tell one another ────────────────────────────────────────────────────────────────────

/** To the host of a conversation (a user for a direct one, else the group). */
export type HostCommand =
  | {
      readonly kind: 'post';
      readonly conversation: ConversationId;
      readonly from: UserId;
      readonly clientId: ClientId;
      readonly operation: Operation;
    }
  /** Answered by `settled` once every member has the entry, which `from` has already. */
  | {
      readonly kind: 'ask-settled';
      readonly conversation: ConversationId;
      readonly from: UserId;
      readonly clientId: ClientId;
      readonly seq: number;
      readonly at: number;
    }
  /** `user` has stored every entry up to `seq` that was delivered to it. */
  | { readonly kind: 'confirm'; readonly conversation: ConversationId; readonly user: UserId; readonly seq: number }
  /** `user` got an entry that doesn't follow the last one it has. */
  | { readonly kind: 'missing'; readonly conversation: ConversationId; readonly user: UserId; readonly after: number }
  | {
      readonly kind: 'mark';
      readonly conversation: ConversationId;
      readonly user: UserId;
      readonly delivered: number;
      readonly read: number;
    }
  | { readonly kind: 'typed'; readonly conversation: ConversationId; readonly user: UserId }
  | (Asked & { readonly kind: 'list-receipts'; readonly conversation: ConversationId; readonly user: UserId; readonly id: string })
  | (Asked & { readonly kind: 'list-members'; readonly conversation: ConversationId; readonly user: UserId; readonly id: string })
  /** `by` no longer wants direct messages of the other user, or wants them again. Answered by `barred` or `bar-refused`. */
  | ({ readonly kind: 'bar' } & Bar);

/** A `block` or `unblock` on its way to the conversation's host and back. */
export interface Bar {
  readonly conversation: ConversationId;
  readonly by: UserId;
  readonly on: boolean;
  /** `by` had it otherwise before. */
  readonly changes: boolean;
  /** Who waits for its `done`. */
  readonly asked: Asked & { readonly id: string };
}

/** What a group's conversation list line shows of it. */
export interface GroupSummary {
  readonly title: string;
  readonly members: number;
  /** The seq of the newest entry that it reflects, or of a later one that changes neither. */
  readonly asOf: number;
}

/** What a sender needs to know of an own entry to answer for it. */
export interface SettledEntry {
  readonly clientId: ClientId;
  readonly seq: number;
  readonly at: number;
}

/** A failure, on its way from actor to actor. */
export interface Refusal {
  readonly code: FailureCode;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

/** To a user, from the hosts of its conversations and from other users. */
export type MemberCommand =
  /** Consecutive entries. `previous`: the seq before them that this member should have, or 0 where it starts. */
  | { readonly kind: 'deliver'; readonly batch: Batch; readonly previous: number; readonly summary: GroupSummary | undefined }
  /** Every other member has these entries of the sender's. */
  | { readonly kind: 'settled'; readonly conversation: ConversationId; readonly entries: readonly SettledEntry[] }
  | ({ readonly kind: 'refused'; readonly clientId: ClientId } & Refusal)
  | {
      readonly kind: 'receipt';
      readonly conversation: ConversationId;
      readonly user: UserId;
      readonly delivered: number;
      readonly read: number;
    }
  | { readonly kind: 'typing-by'; readonly conversation: ConversationId; readonly user: UserId }
  | { readonly kind: 'barred'; readonly bar: Bar }
  | ({ readonly kind: 'bar-refused'; readonly bar: Bar } & Refusal)
  /** The peer of a direct conversation blocks this user, or no longer does. */
  | { readonly kind: 'peer-hidden'; readonly conversation: ConversationId; readonly on: boolean }
  | { readonly kind: 'watched-by'; readonly user: UserId }
  | { readonly kind: 'unwatched-by'; readonly user: UserId }
  | { readonly kind: 'presence-of'; readonly user: UserId; readonly state: PresenceState; readonly lastSeen: number | undefined }
  /** The inbox was looked through: events up to `through` are older than it keeps. `oldestAt`: see `User`. */
  | { readonly kind: 'expire'; readonly through: number; readonly oldestAt: number | undefined }
  /** The newest entries of a conversation, read from its log, for the cache. */
  | { readonly kind: 'remember'; readonly conversation: ConversationId; readonly entries: readonly Entry[] };

export type AlarmCommand = { readonly kind: 'alarm' };
export type UserCommand = SessionCommand | HostCommand | MemberCommand | AlarmCommand;
export type GroupCommand = HostCommand | AlarmCommand;

// ── What sessions are told: the frames of PROTOCOL.md, in memory ────────────────────────────────────

/**
 * A run of events of one conversation, encoded as `event` frames with the lsns `firstLsn`, `firstLsn`+1 …
 * `own`: the session that receives it sent these entries itself and may get `sent` in their place.
 */
export interface EventsFrame {
  readonly type: 'events';
  readonly firstLsn: number;
  readonly conversation: string;
  readonly batch: Batch;
  readonly own: boolean;
}

export interface SentFrame {
  readonly type: 'sent';
  readonly clientId: ClientId;
  readonly conversation: string;
  readonly seq: number;
  readonly lsn: number;
  readonly at: number;
  readonly duplicate?: true;
}

export interface ConversationItem {
  readonly conversation: string;
  readonly lastSeq: number;
  readonly last: Entry;
  readonly read: number;
  readonly unread: number;
  readonly mutedUntil?: number;
  readonly title?: string;
  readonly members?: number;
  readonly peer?: Watermarks;
}

export type ServerFrame =
  /** The gateway adds `limits` and `node`. */
  | { readonly type: 'welcome'; readonly user: UserId; readonly device: DeviceId; readonly cursor: number; readonly at: number }
  | { readonly type: 'reset'; readonly cursor: number; readonly reason: string }
  | EventsFrame
  | SentFrame
  /** For the session alone, not on the wire: it is told events no longer, until it has pulled again. */
  | { readonly type: 'stale' }
  /** For the session alone, not on the wire: a pull is done; `end`: the cursor has reached the inbox's end. */
  | { readonly type: 'pulled'; readonly through: number; readonly end: boolean }
  | {
      readonly type: 'page';
      readonly id: string;
      readonly conversation: string;
      readonly entries: readonly Entry[];
      readonly more: boolean;
    }
  | { readonly type: 'conversations'; readonly id: string; readonly items: readonly ConversationItem[]; readonly next?: string }
  | { readonly type: 'receipt'; readonly conversation: string; readonly user: UserId; readonly delivered: number; readonly read: number }
  | {
      readonly type: 'receipts';
      readonly id: string;
      readonly conversation: string;
      readonly members: readonly ({ readonly user: UserId } & Watermarks)[];
    }
  | { readonly type: 'typing'; readonly conversation: string; readonly user: UserId }
  | { readonly type: 'presence'; readonly user: UserId; readonly state: PresenceState; readonly lastSeen?: number }
  | {
      readonly type: 'group';
      readonly id: string;
      readonly conversation: string;
      readonly title: string;
      readonly members: readonly { readonly user: UserId; readonly role: Role }[];
    }
  | { readonly type: 'done'; readonly id: string }
  | ErrorFrame;

export interface ErrorFrame {
  readonly type: 'error';
  readonly code: FailureCode;
  readonly message: string;
  readonly id?: string;
  readonly clientId?: string;
  readonly retryAfterMs?: number;
}

/** Bounds and times that the actors keep to; units are in the names. */
export interface MessengerLimits {
  readonly cacheEntriesMax: number;
  readonly devicesMax: number;
  readonly watchMax: number;
  readonly watchersMax: number;
  readonly blocksMax: number;
  readonly groupMembersMax: number;
  readonly unsettledPerUserMax: number;
  readonly offlineGraceMs: number;
  readonly receiptCoalesceMs: number;
  readonly receiptMembersMax: number;
  readonly redeliverMs: number;
  readonly lagAfterMs: number;
  readonly pendingKeptMs: number;
  readonly askAgainMs: number;
  readonly resubscribeMs: number;
  readonly watchSilencesMax: number;
  readonly hostedUnusedMax: number;
  readonly redeliverEntriesMax: number;
  readonly expireEveryMs: number;
  readonly inboxKeepMs: number;
}

export interface UserActorSettings extends MessengerLimits {
  /** The ids of groups for which clients give none are made from it, so that nobody can guess them. */
  readonly groupIdSecret: string;
}
