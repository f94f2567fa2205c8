/**
 * The Store port: where actors keep what they know. Two kinds of things are stored.
 *
 * A **log** is a gap-free sequence of positions 1, 2, 3 …, written in rows. A row holds the consecutive
 * positions `first`…`last` that one actor appended in one turn, in one opaque payload. A row never
 * crosses a multiple of `POSITIONS_PER_PARTITION`: `splitAt` says where a writer must cut. Under one epoch
 * a position is appended once; appending the very same row again replaces it.
 *
 * A **table** holds small derived rows under (`of`, `key`), sorted by the bytes of `key` within `of`.
 * Owners and keys are any well-formed strings, the empty one too, of at most `KEY_BYTES_MAX` bytes of UTF-8.
 *
 * Contract, held by `test/contract/store.ts` for every engine:
 * - `write` is atomic per call on engines with trait `ordered`, else per partition (one log partition,
 *   or one table's `of`). Of several writes to one row in a call the last counts. It resolves when all of
 *   it would survive `kill -9` (trait `durable`).
 * - A prune is carried out after the rest of its call is stored, from the oldest row on and in pieces. A
 *   call that fails or a crash may leave it half done.
 * - `ordered`: calls become durable in the order they were made, and when one fails, so does every call
 *   that was made after it and before its caller could hear of that (a call that is refused at once has
 *   rejected when `write` returns, so it is heard of in the next microtask). So whoever submits B after A,
 *   and hasn't heard of A, may rely on: B stored implies A stored. Calls that only delete or prune don't
 *   fail for a lack of space, and so are exempt where others do.
 * - A read that starts after a write resolved sees it. A read may or may not see writes under way.
 * - A read gives every row that fits it, up to `limit`: fewer mean that there are no more. A log's rows are
 *   sorted by their last position, then by epoch. A row that holds positions inside and outside of what is
 *   asked for is given, whole; one that can't count (see tail.ts) may be left out.
 * - Ownership: the store may keep payloads it is given and the caller may keep those it is given:
 *   nobody changes them afterwards.
 * - Epochs: rows of a log with equal positions but different epochs may both exist; `read` gives rows as
 *   stored, and `resolveTail` decides which count. Of a table's row the highest epoch counts, and `read`
 *   gives only that one. Deleting removes it under every epoch.
 * - Failure: every method rejects with a `Failure`: `unavailable` when nothing was written (also when
 *   closed, or below the free-space floor: reads go on then), `timeout` when the outcome isn't known.
 *   Nothing is queued without bound, in number or in time. What an engine is working on is answered when
 *   the engine answers; `oldestPendingMs` shows how long that takes, and who has less patience than the
 *   engine keeps a deadline of their own. A call that breaks these rules is a bug: it rejects with an
 *   `AssertionError` and stores nothing.
 */
export interface Store {
  readonly traits: StoreTraits;
  write(writes: readonly Write[]): Promise<void>;
  read(read: Read): Promise<readonly Row[]>;
  /** Every `of` that has rows in `table`, ascending, after the given one; for sweeps. */
  owners(table: Table, after: string | undefined, limit: number): Promise<readonly string[]>;
  status(): StoreStatus;
  /** Finishes the writes under way, then lets go of the directory or the connections. */
  close(): Promise<void>;
}

export interface StoreTraits {
  readonly ordered: boolean;
  readonly durable: boolean;
}

export interface StoreStatus {
  readonly engine: string;
  /** Writes not yet durable, and how long the oldest of them has been waiting. */
  readonly writesPending: number;
  readonly oldestPendingMs: number;
  /** Undefined: it takes writes. */
  readonly refusing: string | undefined;
  readonly diskFreeBytes: number | undefined;
}

export type LogName = 'conversation' | 'inbox';

/** Each table's `of` and `key`. */
export type Table =
  | 'user' //          user id, ''            the user snapshot
  | 'item' //          user id, conversation  a line of the conversation list
  | 'list' //          user id, ''            all lines of a short list in one row
  | 'answered' //      user id, segment-lsn   client ids of own sends, in blocks
  | 'filter' //        user id, segment       which client ids may be among them
  | 'host' //          conversation, ''       what a host knows beyond its log
  | 'member'; //       conversation, user id  role and watermarks of one member

export type Write =
  | {
      readonly kind: 'append';
      readonly log: LogName;
      readonly of: string;
      readonly first: number;
      readonly last: number;
      readonly epoch: number;
      readonly payload: Uint8Array;
    }
  | {
      readonly kind: 'put';
      readonly table: Table;
      readonly of: string;
      readonly key: string;
      readonly epoch: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'delete'; readonly table: Table; readonly of: string; readonly key: string }
  /** Removes the log's rows whose last position is at most `through`. */
  | { readonly kind: 'prune'; readonly log: LogName; readonly of: string; readonly through: number };

export type Read =
  /** Rows with a position in `after`+1 … `through` (default: the end), ascending, at most `limit` of them. */
  | {
      readonly kind: 'forward';
      readonly log: LogName;
      readonly of: string;
      readonly after: number;
      readonly through?: number;
      readonly limit: number;
    }
  /** Rows with a position below `before` (default: the end), descending, at most `limit` of them. */
  | {
      readonly kind: 'backward';
      readonly log: LogName;
      readonly of: string;
      readonly before?: number;
      readonly limit: number;
    }
  /** The one row, or none. */
  | { readonly kind: 'row'; readonly table: Table; readonly of: string; readonly key: string }
  /** The table's rows of one owner, ascending by key, after the given key; at most `limit`. */
  | {
      readonly kind: 'rows';
      readonly table: Table;
      readonly of: string;
      readonly after?: string;
      readonly limit: number;
    };

export interface Row {
  /** Of a log row: its positions; 0 in a table's row. */
  readonly first: number;
  readonly last: number;
  /** Of a table's row: its key; '' in a log row. */
  readonly key: string;
  readonly epoch: number;
  readonly payload: Uint8Array;
}

/** A log is cut into partitions of this many positions, so that none grows without bound. */
export const POSITIONS_PER_PARTITION = 4096;
/** A row holds at most this many positions: what an actor may append in one turn. */
export const POSITIONS_PER_ROW_MAX = 256;
export const KEY_BYTES_MAX = 200;

/** The last position that may share a row with `first`. */
export const splitAt = (first: number): number =>
  Math.min(
    Math.floor(first / POSITIONS_PER_PARTITION) * POSITIONS_PER_PARTITION + POSITIONS_PER_PARTITION - 1,
    first + POSITIONS_PER_ROW_MAX - 1,
  );
