import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

/**
 * What one device saw and did, one JSON object a line, in the order it happened: all that the checker
 * knows. Conversations are named as the device's user sees them.
 */
export type Record =
  | { readonly kind: 'device'; readonly user: string; readonly device: string; readonly via: 'socket' | 'poll' | 'audit' }
  /** The device's program starts, again perhaps, with what it had saved. */
  | { readonly kind: 'start'; readonly cursor: number }
  // ── what the application asked, and what it heard ──
  | { readonly kind: 'invoke'; readonly clientId: string; readonly conversation: string; readonly entry: string; readonly body: object }
  | ({ readonly kind: 'answer'; readonly clientId: string } & Answer)
  /** The application has this event. */
  | ({ readonly kind: 'took' } & Told)
  /** The application asked for a setting, and heard that it is kept. */
  | { readonly kind: 'mute'; readonly id: string; readonly conversation: string; readonly until: number }
  | { readonly kind: 'done'; readonly id: string }
  // ── what was on the wire ──
  | { readonly kind: 'hello'; readonly cursor?: number }
  | { readonly kind: 'welcome'; readonly cursor: number }
  | { readonly kind: 'reset'; readonly cursor: number; readonly reason: string }
  | { readonly kind: 'closed'; readonly code: number }
  /** A poll after `cursor` was answered; what it told follows. */
  | { readonly kind: 'polled'; readonly cursor: number }
  | { readonly kind: 'wrote'; readonly clientId: string }
  | ({ readonly kind: 'event' } & Told)
  | ({ readonly kind: 'sent'; readonly clientId: string } & Position)
  | { readonly kind: 'refused'; readonly clientId: string; readonly code: string }
  // ── what was there in the end ──
  /** The whole conversation, read page by page. */
  | { readonly kind: 'history'; readonly conversation: string; readonly entries: readonly Seen[] }
  | {
      readonly kind: 'listed';
      readonly items: readonly {
        readonly conversation: string;
        readonly lastSeq: number;
        readonly last: Seen;
        readonly read: number;
        readonly unread: number;
        readonly mutedUntil?: number;
      }[];
    }
  /** The inbox ends here; the events before were read from cursor 0 on. */
  | { readonly kind: 'inbox-end'; readonly lsn: number }
  /** Nothing follows, because the device was closed when everything was over. */
  | { readonly kind: 'end' };

export interface Position {
  readonly conversation: string;
  readonly seq: number;
  readonly lsn: number;
  readonly at: number;
  readonly duplicate?: boolean;
}

export type Answer = ({ readonly outcome: 'sent' } & Position) | { readonly outcome: 'error'; readonly code: string };

/** An entry as somebody saw it; `body` is missing where the server may leave it out. */
export interface Seen {
  readonly seq: number;
  readonly from: string;
  readonly at: number;
  readonly entry: string;
  readonly clientId?: string;
  readonly body?: object;
}

export interface Told extends Seen {
  readonly lsn: number;
  readonly conversation: string;
}

export interface Recorder {
  add(record: Record): void;
  close(): Promise<void>;
}

export function openRecorder(path: string): Recorder {
  const out = createWriteStream(path);
  return {
    add: (record) => void out.write(`${JSON.stringify(record)}\n`),
    async close() {
      out.end();
      await once(out, 'close');
    },
  };
}

/** The fields of an entry under the names that records have. */
export function seen(entry: { seq: number; from: string; at: number; kind: string; clientId?: string; body?: object }): Seen {
  const { seq, from, at, kind, clientId, body } = entry;
  return { seq, from, at, entry: kind, ...(clientId === undefined ? {} : { clientId }), ...(body === undefined ? {} : { body }) };
}
