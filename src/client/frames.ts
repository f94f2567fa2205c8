/** The frames of PROTOCOL.md as a client sees them. Unknown fields and types may come (3.1.3). */

export type Body = Readonly<Record<string, unknown>>;
export type Role = 'owner' | 'admin' | 'member';
export type DeviceState = 'online' | 'away';
export type PresenceState = DeviceState | 'offline';
export type Visibility = 'everyone' | 'contacts' | 'nobody';

export interface Watermarks {
  readonly delivered: number;
  readonly read: number;
}

/** PROTOCOL 3.6. `kind` is `message` or an operation on a group, and may be one that this client doesn't know. */
export interface Entry {
  readonly seq: number;
  readonly from: string;
  readonly at: number;
  readonly kind: string;
  readonly clientId?: string;
  readonly body: Body;
}

export interface Welcome {
  readonly type: 'welcome';
  readonly user: string;
  readonly device: string;
  readonly cursor: number;
  readonly at: number;
  readonly limits: Readonly<Record<string, unknown>>;
  readonly node: string;
}

export interface Reset {
  readonly type: 'reset';
  readonly cursor: number;
  readonly reason: string;
}

/** An entry and where it stands in the user's log. Only the sending connection may get one without `body` (5.3.3). */
export interface EventFrame extends Omit<Entry, 'body'> {
  readonly type: 'event';
  readonly lsn: number;
  readonly conversation: string;
  readonly body?: Body;
}

export interface Sent {
  readonly type: 'sent';
  readonly clientId: string;
  readonly conversation: string;
  readonly seq: number;
  readonly lsn: number;
  readonly at: number;
  readonly duplicate?: boolean;
}

export interface Page {
  readonly type: 'page';
  readonly id: string;
  readonly conversation: string;
  readonly entries: readonly Entry[];
  readonly more: boolean;
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

export interface Conversations {
  readonly type: 'conversations';
  readonly id: string;
  readonly items: readonly ConversationItem[];
  readonly next?: string;
}

export interface Receipt extends Watermarks {
  readonly type: 'receipt';
  readonly conversation: string;
  readonly user: string;
}

export interface Receipts {
  readonly type: 'receipts';
  readonly id: string;
  readonly conversation: string;
  readonly members: readonly (Watermarks & { readonly user: string })[];
}

export interface Typing {
  readonly type: 'typing';
  readonly conversation: string;
  readonly user: string;
}

export interface Presence {
  readonly type: 'presence';
  readonly user: string;
  readonly state: PresenceState;
  readonly lastSeen?: number;
}

export interface Group {
  readonly type: 'group';
  readonly id: string;
  readonly conversation: string;
  readonly title: string;
  readonly members: readonly { readonly user: string; readonly role: Role }[];
}

export interface ErrorFrame {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
  readonly id?: string;
  readonly clientId?: string;
  readonly retryAfterMs?: number;
}

export interface Goaway {
  readonly type: 'goaway';
  readonly reason: string;
  readonly afterMs: number;
  readonly url?: string;
}

export type ServerFrame =
  | Welcome
  | Reset
  | EventFrame
  | Sent
  | Page
  | Conversations
  | Receipt
  | Receipts
  | Typing
  | Presence
  | Group
  | ErrorFrame
  | Goaway
  | { readonly type: 'done'; readonly id: string }
  | { readonly type: 'pong'; readonly id?: string; readonly at: number };

/** What adds an entry, and is answered by `sent` (5.2.6). */
export type Submission = { readonly clientId: string } & (
  | { readonly type: 'send'; readonly conversation: string; readonly body: Body }
  | { readonly type: 'group.create'; readonly group?: string; readonly title: string; readonly members: readonly string[] }
  | { readonly type: 'group.add' | 'group.remove'; readonly conversation: string; readonly users: readonly string[] }
  | { readonly type: 'group.leave'; readonly conversation: string }
  | { readonly type: 'group.rename'; readonly conversation: string; readonly title: string }
  | { readonly type: 'group.role'; readonly conversation: string; readonly user: string; readonly role: Role }
);

/** What has an answer with the same `id`. */
export type Request = { readonly id: string } & (
  | { readonly type: 'history'; readonly conversation: string; readonly before?: number; readonly after?: number; readonly limit?: number }
  | { readonly type: 'conversations'; readonly limit?: number; readonly next?: string }
  | { readonly type: 'read'; readonly conversation: string; readonly seq: number }
  | { readonly type: 'receipts' | 'group.info'; readonly conversation: string }
  | { readonly type: 'watch' | 'unwatch'; readonly users: readonly string[] }
  | { readonly type: 'presence'; readonly state: DeviceState }
  | { readonly type: 'mute'; readonly conversation: string; readonly until: number }
  | { readonly type: 'block' | 'unblock'; readonly user: string }
  | { readonly type: 'settings'; readonly presence: Visibility }
);

export type ClientFrame =
  | { readonly type: 'hello'; readonly token: string; readonly device: string; readonly cursor?: number }
  | { readonly type: 'ack'; readonly cursor: number }
  | { readonly type: 'ping' }
  | { readonly type: 'typing'; readonly conversation: string }
  | Submission
  | Request;

/** The kind of entry that each submission becomes. */
export const KIND_OF = {
  send: 'message',
  'group.create': 'created',
  'group.add': 'added',
  'group.remove': 'removed',
  'group.leave': 'left',
  'group.rename': 'renamed',
  'group.role': 'role',
} as const satisfies Record<Submission['type'], string>;
