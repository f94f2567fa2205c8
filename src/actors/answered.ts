import type { Reading } from '../cluster/actor.ts';
import type { ClientId, ConversationId, UserId } from '../ids.ts';
import type { Read, Row, Write } from '../storage/store.ts';
import { ClientIdFilters, segmentIds } from './client-id-filter.ts';
import { type EntryKind, pack, unpack } from './entry.ts';
import { PackedAnswers, type Place, type Remembered, START } from './packed-answers.ts';

/**
 * A user's index of the client ids of its own sends, kept as long as the entries. The newest are in memory.
 * The rest are rows of the table `answered`, in blocks by segment (see client-id-filter.ts); a Bloom
 * filter per segment says which may hold an id, so that a new id (nearly all are) costs no read.
 */
export interface Answered {
  /** Not yet in rows. */
  unwritten: PackedAnswers;
  /** The newest ones that are in rows, and others that were looked for. */
  recent: PackedAnswers;
  /** Only the last one grows. Once they are read, what isn't in rows yet is in them, too. */
  filters: ClientIdFilters;
  /** Segments whose filters haven't been read yet; `filters` is empty until they are. */
  unread: number;
  /** Ids in the last filter. */
  lastCount: number;
  /** Where in `unwritten` a segment begins. */
  begins: readonly Place[];
  /** The lsn of the newest id that is in rows. */
  writtenThrough: number;
  /** Ids of the last segment with rows that are not yet in its filter's row. */
  stale: number;
  /** Full segments whose filters were made anew, and are to be put into rows. */
  rebuilt: readonly number[];
  /** The last id that was looked for and isn't there. */
  absent: ClientId | undefined;
}

const NONE: readonly never[] = [];
/** Most users who are loaded send nothing. */
const NO_ANSWERS = new PackedAnswers();
const RECENT_MAX = 128;
/** How the bits of a filter's row lie. */
const LAYOUT = 2;
const ROWS_AT_ONCE = 64;
/** A full segment's filter takes 16 KB: the row of the last one may lack so many ids, which after a crash are read from their own rows. */
const STALE_MAX = 256;
/** Few rows by key share a hop to the store's thread with those of others; many are cheaper as a range. */
const FILTERS_BY_KEY_MAX = 8;

export const emptyAnswered = (): Answered => ({
  unwritten: NO_ANSWERS,
  recent: NO_ANSWERS,
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
  if (answered.unread === 0) putInFilter(answered, answer.clientId, answered.unwritten);
  if (answered.unwritten === NO_ANSWERS) answered.unwritten = new PackedAnswers();
  answered.unwritten.add(answer);
  if (answered.absent === answer.clientId) answered.absent = undefined;
}

/** The id's answer follows those that are `before` it in `unwritten`. */
function putInFilter(answered: Answered, clientId: ClientId, before: { readonly last: Place }): void {
  const { filters } = answered;
  if (filters.segments === 0 || answered.lastCount >= segmentIds(filters.segments - 1)) {
    filters.begin();
    answered.begins = [...answered.begins, before.last];
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
  return answered.unwritten.find(clientId) ?? answered.recent.find(clientId);
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
  answered.unwritten.forEach((clientId, last) => {
    putInFilter(answered, clientId, { last });
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
          const found = new PackedAnswers();
          found.add({ clientId, conversation, kind, seq, lsn, at });
          // A user who only resends has nothing to derive, which would make room.
          answered.recent = answered.recent.with(found, 2 * RECENT_MAX);
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
 * The rows for what isn't in rows yet, of which the filters have been read; afterwards it is taken as written. `closing`:
 * the next activation shall find the last filter complete.
 */
export function deriveAnswered(answered: Answered, user: UserId, epoch: number, closing: boolean): Write[] {
  const { unwritten, begins, filters } = answered;
  const writes = answered.rebuilt.map((segment) => putFilter(answered, user, epoch, segment, segmentIds(segment)));
  answered.rebuilt = NONE;
  let segment = filters.segments - begins.length - 1;
  answered.begins = NONE;
  let from = START;
  for (const to of begins) {
    if (to.count > from.count) writes.push(putIds(answered, user, epoch, segment, from, to));
    // Only the last one's row may lack ids.
    if (answered.stale > 0) writes.push(putFilter(answered, user, epoch, segment, segmentIds(segment)));
    answered.stale = 0;
    segment += 1;
    from = to;
  }
  if (from.count < unwritten.size) writes.push(putIds(answered, user, epoch, segment, from, unwritten.last));
  const complete = filters.segments > 0 && answered.lastCount >= segmentIds(segment);
  if (answered.stale >= STALE_MAX || (answered.stale > 0 && (complete || closing))) {
    writes.push(putFilter(answered, user, epoch, segment, answered.lastCount));
    answered.stale = 0;
  }
  if (unwritten.size === 0) return writes;
  answered.recent = answered.recent.with(unwritten, RECENT_MAX);
  answered.unwritten = NO_ANSWERS;
  return writes;
}

function putIds(answered: Answered, user: UserId, epoch: number, segment: number, from: Place, to: Place): Write {
  answered.writtenThrough = to.lsn;
  answered.stale += to.count - from.count;
  const payload = answered.unwritten.row(from, to);
  return { kind: 'put', table: 'answered', of: user, key: rowKey(segment, answered.writtenThrough), epoch, payload };
}

function putFilter(answered: Answered, user: UserId, epoch: number, segment: number, count: number): Write {
  const row: FilterRow = [count, answered.filters.filter(segment), answered.writtenThrough, LAYOUT];
  return { kind: 'put', table: 'filter', of: user, key: filterKey(segment), epoch, payload: pack(row) };
}
