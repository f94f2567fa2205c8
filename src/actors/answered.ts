import type { Reading } from '../cluster/actor.ts';
import type { ClientId, ConversationId, UserId } from '../ids.ts';
import type { Read, Row, Write } from '../storage/store.ts';
import { ClientIdFilters, segmentIds } from './client-id-filter.ts';
import { type EntryKind, pack, unpack } from './entry.ts';
import type { Answer } from './messages.ts';

/**
 * A user's index of the client ids of its own sends, kept as long as the entries. The newest are in memory.
 * The rest are rows of the table `answered`, in blocks by segment (see client-id-filter.ts); a Bloom
 * filter per segment says which may hold an id, so that a new id (nearly all are) costs no read.
 */
export interface Answered {
  /** Not yet in rows, oldest first. */
  unwritten: Remembered[];
  /** The newest ones that are in rows, and others that were looked for. */
  recent: readonly Remembered[];
  /** Only the last one grows. Once they are read, what isn't in rows yet is in them, too. */
  filters: ClientIdFilters;
  /** Segments whose filters haven't been read yet; `filters` is empty until they are. */
  unread: number;
  /** Ids in the last filter. */
  lastCount: number;
  /** Where in `unwritten` a segment begins. */
  begins: readonly number[];
  /** The lsn of the newest id that is in rows. */
  writtenThrough: number;
  /** Ids of the last segment with rows that are not yet in its filter's row. */
  stale: number;
  /** Full segments whose filters were made anew, and are to be put into rows. */
  rebuilt: readonly number[];
  /** The last id that was looked for and isn't there. */
  absent: ClientId | undefined;
}

/** `settled`: every member is known to have the entry. After a restart only its host can tell. */
export type Remembered = Answer & { readonly clientId: ClientId; settled: boolean };

const NONE: readonly never[] = [];
const RECENT_MAX = 128;
/** How the bits of a filter's row lie. */
const LAYOUT = 2;
const ROWS_AT_ONCE = 64;
/** A full segment's filter takes 16 KB: the row of the last one may lack so many ids, which after a crash are read from their own rows. */
const STALE_MAX = 256;
/** Few rows by key share a hop to the store's thread with those of others; many are cheaper as a range. */
const FILTERS_BY_KEY_MAX = 8;

export const emptyAnswered = (): Answered => ({
  unwritten: [],
  recent: NONE,
  filters: new ClientIdFilters(),
  unread: 0,
  lastCount: 0,
  begins: NONE,
  writtenThrough: 0,
  stale: 0,
  rebuilt: NONE,
  absent: undefined,
});

export function remember(answered: Answered, answer: Remembered): void {
  if (answered.unread === 0) putInFilter(answered, answer.clientId, answered.unwritten.length);
  answered.unwritten.push(answer);
  if (answered.absent === answer.clientId) answered.absent = undefined;
}

/** The id will be the one with this index in `unwritten`. */
function putInFilter(answered: Answered, clientId: ClientId, index: number): void {
  const { filters } = answered;
  if (filters.segments === 0 || answered.lastCount >= segmentIds(filters.segments - 1)) {
    filters.begin();
    answered.begins = [...answered.begins, index];
    answered.lastCount = 0;
  }
  filters.add(filters.segments - 1, clientId);
  answered.lastCount += 1;
}

/**
 * The answer to `clientId`, if there was one; to be asked after `lookFor`. It looks through all that is in memory, because
 * of few ids the filters say that they may be there, and a map of all costs each new id more than that.
 */
export function answerTo(answered: Answered, clientId: ClientId): Remembered | undefined {
  if (answered.absent === clientId) return undefined;
  const isIt = (answer: Remembered): boolean => answer.clientId === clientId;
  return answered.unwritten.findLast(isIt) ?? answered.recent.findLast(isIt);
}

/** How many segments have rows. */
export const segmentCount = ({ unread, filters, begins }: Answered): number => unread + filters.segments - begins.length;

/** What has to be read before ids may be added or looked for; undefined: nothing. */
export const readFilters = (answered: Answered, user: UserId): Reading<void> | undefined =>
  answered.unread === 0 ? undefined : restoreFilters(answered, user);

function* restoreFilters(answered: Answered, user: UserId): Reading<void> {
  const { unread } = answered;
  const reads: Read[] = [];
  if (unread > FILTERS_BY_KEY_MAX) reads.push({ kind: 'rows', table: 'filter', of: user, limit: unread });
  else for (let segment = 0; segment < unread; segment++) reads.push({ kind: 'row', table: 'filter', of: user, key: filterKey(segment) });
  const stored = new Map<string, FilterRow>();
  for (const { key, payload } of (yield reads).flat()) stored.set(key, unpack(payload) as FilterRow);
  const filters = new ClientIdFilters(unread);
  const rebuilt: number[] = [];
  let [lastCount, stale] = [0, 0];
  for (let segment = 0; segment < unread; segment++) {
    const row = stored.get(filterKey(segment));
    // One of another layout is made anew from the ids.
    const [count, bits, through] = row?.[3] === LAYOUT ? row : ([0, undefined, 0] as const);
    const last = segment === unread - 1;
    if (bits !== undefined) filters.restore(segment, bits);
    else if (!last) rebuilt.push(segment);
    const lacks = bits === undefined || (last && through < answered.writtenThrough);
    const added = lacks ? yield* completeFilter(filters, user, segment, through) : 0;
    lastCount = count + added;
    stale = added;
  }
  // A read may have failed, and is begun again from the start: until here nothing has changed.
  Object.assign(answered, { filters, lastCount, stale, rebuilt, unread: 0 });
  answered.unwritten.forEach(({ clientId }, index) => {
    putInFilter(answered, clientId, index);
  });
}

/** Adds the ids of the segment after the lsn `through` to its filter; returns how many. */
function* completeFilter(filters: ClientIdFilters, user: UserId, segment: number, through: number): Reading<number> {
  let added = 0;
  for (let after = rowKey(segment, through); ; ) {
    const [rows] = (yield [{ kind: 'rows', table: 'answered', of: user, after, limit: ROWS_AT_ONCE }]) as [readonly Row[]];
    for (const { key, payload } of rows) {
      if (!key.startsWith(segmentKey(segment))) return added;
      const ids = unpack(payload) as AnsweredRow;
      for (const [id] of ids) filters.add(segment, id);
      added += ids.length;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < ROWS_AT_ONCE) return added;
    after = last.key;
  }
}

/** What has to be read before `answerTo` can tell whether `clientId` was answered, as the first step; undefined: nothing. */
export function lookFor(answered: Answered, user: UserId, clientId: ClientId): Reading<void> | undefined {
  if (answered.unread > 0) return answerTo(answered, clientId) === undefined ? restoreFilters(answered, user) : undefined;
  const segments = answered.filters.holding(clientId);
  if (segments === undefined) {
    answered.absent = clientId;
    return undefined;
  }
  if (answered.absent === clientId || answerTo(answered, clientId) !== undefined) return undefined;
  return search(answered, user, clientId, segments);
}

function* search(answered: Answered, user: UserId, clientId: ClientId, segments: readonly number[]): Reading<void> {
  for (const segment of segments) {
    const prefix = segmentKey(segment);
    for (let after = prefix; ; ) {
      const [rows] = (yield [{ kind: 'rows', table: 'answered', of: user, after, limit: ROWS_AT_ONCE }]) as [readonly Row[]];
      for (const row of rows) {
        if (!row.key.startsWith(prefix)) break;
        for (const [id, conversation, kind, seq, lsn, at] of unpack(row.payload) as AnsweredRow) {
          if (id !== clientId) continue;
          // A user who only resends has nothing to derive, which would make room.
          const found = { clientId, conversation, kind, seq, lsn, at, settled: false };
          answered.recent = [...answered.recent.slice(1 - 2 * RECENT_MAX), found];
          return;
        }
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_AT_ONCE || !last.key.startsWith(prefix)) break;
      after = last.key;
    }
  }
  answered.absent = clientId;
}

type AnsweredRow = [ClientId, ConversationId, EntryKind, number, number, number][];
/** `through`: the filter has every id up to this lsn. Rows of old lack the layout, and some that, too. */
type FilterRow = [count: number, filter: Uint8Array, through: number, layout: typeof LAYOUT];

const segmentKey = (segment: number): string => `${segment.toString(16).padStart(8, '0')}-`;
/** The block whose newest id has this lsn. */
const rowKey = (segment: number, lsn: number): string => segmentKey(segment) + lsn.toString(16).padStart(14, '0');
const filterKey = (segment: number): string => segment.toString(16).padStart(8, '0');

/**
 * The rows for what isn't in rows yet, of which the filters have been read; afterwards it is taken as written. Who is
 * `awaited` stays in memory. `closing`: the next activation shall find the last filter complete.
 */
export function deriveAnswered(
  answered: Answered,
  user: UserId,
  epoch: number,
  awaited: (clientId: ClientId) => boolean,
  closing: boolean,
): Write[] {
  const { unwritten, begins, filters } = answered;
  const writes = answered.rebuilt.map((segment) => putFilter(answered, user, epoch, segment, segmentIds(segment)));
  answered.rebuilt = NONE;
  let segment = filters.segments - begins.length - 1;
  answered.unwritten = [];
  answered.begins = NONE;
  let from = 0;
  for (const to of begins) {
    if (to > from) writes.push(putIds(answered, user, epoch, segment, unwritten.slice(from, to)));
    // Only the last one's row may lack ids.
    if (answered.stale > 0) writes.push(putFilter(answered, user, epoch, segment, segmentIds(segment)));
    answered.stale = 0;
    segment += 1;
    from = to;
  }
  if (from < unwritten.length) writes.push(putIds(answered, user, epoch, segment, unwritten.slice(from)));
  const complete = filters.segments > 0 && answered.lastCount >= segmentIds(segment);
  if (answered.stale >= STALE_MAX || (answered.stale > 0 && (complete || closing))) {
    writes.push(putFilter(answered, user, epoch, segment, answered.lastCount));
    answered.stale = 0;
  }
  if (unwritten.length === 0) return writes;
  const recent = [...answered.recent, ...unwritten];
  const kept = recent.slice(-RECENT_MAX);
  answered.recent = [...recent.slice(0, -RECENT_MAX).filter(({ clientId, settled }) => !settled && awaited(clientId)), ...kept];
  return writes;
}

function putIds(answered: Answered, user: UserId, epoch: number, segment: number, ids: readonly Remembered[]): Write {
  const row: AnsweredRow = ids.map(({ clientId, conversation, kind, seq, lsn, at }) => [clientId, conversation, kind, seq, lsn, at]);
  answered.writtenThrough = ids.at(-1)?.lsn ?? 0;
  answered.stale += ids.length;
  return { kind: 'put', table: 'answered', of: user, key: rowKey(segment, answered.writtenThrough), epoch, payload: pack(row) };
}

function putFilter(answered: Answered, user: UserId, epoch: number, segment: number, count: number): Write {
  const row: FilterRow = [count, answered.filters.filter(segment), answered.writtenThrough, LAYOUT];
  return { kind: 'put', table: 'filter', of: user, key: filterKey(segment), epoch, payload: pack(row) };
}
