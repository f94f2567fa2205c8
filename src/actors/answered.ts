import type { Reading } from '../cluster/actor.ts';
import type { ClientId, ConversationId, UserId } from '../ids.ts';
import type { Read, Row, Write } from '../storage/store.ts';
import { type EntryKind, pack, unpack } from './entry.ts';
import type { Answer } from './messages.ts';

/**
 * A user's index of the client ids of its own sends, kept as long as the entries. The newest are in memory.
 * The rest are rows of the table `answered`, in blocks by segment of up to `SEGMENT_IDS_MAX` ids; a Bloom
 * filter per segment says which may hold an id, so that a new id (nearly all are) costs no read.
 */
export interface Answered {
  /** Not yet in rows, oldest first. */
  unwritten: Remembered[];
  /** The newest ones that are in rows, and others that were looked for. */
  recent: Remembered[];
  /** One Bloom filter per segment; only the last one grows. Once they are read, what isn't in rows yet is in them, too. */
  readonly filters: Uint8Array[];
  /** Segments whose filters haven't been read yet; `filters` is empty until they are. */
  unread: number;
  /** Ids in the last filter. */
  lastCount: number;
  /** Where in `unwritten` a segment begins. */
  begins: number[];
  /** The lsn of the newest id that is in rows. */
  writtenThrough: number;
  /** Ids of the last segment with rows that are not yet in its filter's row. */
  stale: number;
  /** The last id that was looked for and isn't there. */
  absent: ClientId | undefined;
}

/** `settled`: every member is known to have the entry. After a restart only its host can tell. */
export type Remembered = Answer & { readonly clientId: ClientId; settled: boolean };

const RECENT_MAX = 128;
const SEGMENT_IDS_FIRST = 64;
const SEGMENT_IDS_MAX = 4096;
/** 32 bits an id and 8 probes: 6 in a million new ids cost a read of a full segment, which is a long one. */
const BITS_PER_ID = 32;
const PROBES = 8;
const ROWS_AT_ONCE = 64;
/** A full segment's filter takes 16 KB: the row of the last one may lack so many ids, which after a crash are read from their own rows. */
const STALE_MAX = 256;
/** Few rows by key share a hop to the store's thread with those of others; many are cheaper as a range. */
const FILTERS_BY_KEY_MAX = 8;

export const emptyAnswered = (): Answered => ({
  unwritten: [],
  recent: [],
  filters: [],
  unread: 0,
  lastCount: 0,
  begins: [],
  writtenThrough: 0,
  stale: 0,
  absent: undefined,
});

/** Segments grow from 64 ids by four up to 4,096, so that a user who rarely writes costs little. */
const capacityOf = (segment: number): number => (segment < 3 ? SEGMENT_IDS_FIRST << (2 * segment) : SEGMENT_IDS_MAX);

export function remember(answered: Answered, answer: Remembered): void {
  if (answered.unread === 0) putInFilter(answered, answer.clientId, answered.unwritten.length);
  answered.unwritten.push(answer);
  if (answered.absent === answer.clientId) answered.absent = undefined;
}

/** The id will be the one with this index in `unwritten`. */
function putInFilter(answered: Answered, clientId: ClientId, index: number): void {
  const { filters } = answered;
  let filter = filters.at(-1);
  if (filter === undefined || answered.lastCount >= capacityOf(filters.length - 1) || !isPowerOfTwo(filter.length)) {
    filter = emptyFilter(filters.length);
    filters.push(filter);
    answered.begins.push(index);
    answered.lastCount = 0;
  }
  add(filter, clientId);
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
export const segmentCount = ({ unread, filters, begins }: Answered): number => unread + filters.length - begins.length;

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
  const filters: Uint8Array[] = [];
  let [lastCount, stale] = [0, 0];
  for (let segment = 0; segment < unread; segment++) {
    const row = stored.get(filterKey(segment));
    const [count, bits, through] = row ?? [0, emptyFilter(segment), 0];
    // The row's bytes belong to the store.
    const filter = new Uint8Array(bits);
    filters.push(filter);
    const last = segment === unread - 1;
    const lacks = row === undefined || (last && through !== undefined && through < answered.writtenThrough);
    const added = lacks ? yield* completeFilter(filter, user, segment, through ?? 0) : 0;
    lastCount = lacks && through === 0 ? added : count + added;
    // A row of old has every id until now; it is replaced together with the first one after.
    stale = through === undefined ? STALE_MAX : added;
  }
  // A read may have failed, and is begun again from the start: until here nothing has changed.
  answered.filters.push(...filters);
  Object.assign(answered, { lastCount, stale, unread: 0 });
  answered.unwritten.forEach(({ clientId }, index) => {
    putInFilter(answered, clientId, index);
  });
}

/** Adds the ids of the segment after the lsn `through` to its filter; returns how many. */
function* completeFilter(filter: Uint8Array, user: UserId, segment: number, through: number): Reading<number> {
  let added = 0;
  for (let after = rowKey(segment, through); ; ) {
    const [rows] = (yield [{ kind: 'rows', table: 'answered', of: user, after, limit: ROWS_AT_ONCE }]) as [readonly Row[]];
    for (const { key, payload } of rows) {
      if (!key.startsWith(segmentKey(segment))) return added;
      const ids = unpack(payload) as AnsweredRow;
      for (const [id] of ids) add(filter, id);
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
  const [one, two] = hashes(clientId);
  let segments: number[] | undefined;
  for (let segment = 0; segment < answered.filters.length; segment++) {
    if (!mayHold(answered.filters[segment] as Uint8Array, one, two)) continue;
    segments ??= [];
    segments.push(segment);
  }
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
          answered.recent.push({ clientId, conversation, kind, seq, lsn, at, settled: false });
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
/** `through`: the filter has every id up to this lsn; rows of old have every one there is. */
type FilterRow = [count: number, filter: Uint8Array, through?: number];

const segmentKey = (segment: number): string => `${segment.toString(16).padStart(8, '0')}-`;
/** The block whose newest id has this lsn. */
const rowKey = (segment: number, lsn: number): string => segmentKey(segment) + lsn.toString(16).padStart(14, '0');
const filterKey = (segment: number): string => segment.toString(16).padStart(8, '0');

const emptyFilter = (segment: number): Uint8Array => new Uint8Array((capacityOf(segment) * BITS_PER_ID) / 8);

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
  const writes: Write[] = [];
  const { unwritten, begins, filters } = answered;
  let segment = filters.length - begins.length - 1;
  answered.unwritten = [];
  answered.begins = [];
  let from = 0;
  for (const to of begins) {
    if (to > from) writes.push(putIds(answered, user, epoch, segment, unwritten.slice(from, to)));
    // Only the last one's row may lack ids.
    if (answered.stale > 0) writes.push(putFilter(answered, user, epoch, segment));
    segment += 1;
    from = to;
  }
  if (from < unwritten.length) writes.push(putIds(answered, user, epoch, segment, unwritten.slice(from)));
  const complete = answered.lastCount >= capacityOf(segment);
  if (answered.stale >= STALE_MAX || (answered.stale > 0 && (complete || closing))) writes.push(putFilter(answered, user, epoch, segment));
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

function putFilter(answered: Answered, user: UserId, epoch: number, segment: number): Write {
  const last = segment === answered.filters.length - 1;
  const count = last ? answered.lastCount : capacityOf(segment);
  const row: FilterRow = [count, answered.filters[segment] as Uint8Array, answered.writtenThrough];
  answered.stale = 0;
  return { kind: 'put', table: 'filter', of: user, key: filterKey(segment), epoch, payload: pack(row) };
}

const isPowerOfTwo = (value: number): boolean => (value & (value - 1)) === 0;

/** Two hashes of one id, for double hashing (Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2006). */
function hashes(id: string): [number, number] {
  let one = 0x811c9dc5;
  let two = 0x9747b28c;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    one = Math.imul(one ^ code, 0x01000193);
    two = Math.imul(two ^ code, 0x5bd1e995);
    two ^= two >>> 15;
  }
  one ^= one >>> 16;
  return [one >>> 0, (two | 1) >>> 0];
}

/** A filter has a power of two bits; one that hasn't is of an older kind, and says nothing. */
function mayHold(filter: Uint8Array, one: number, two: number): boolean {
  if (!isPowerOfTwo(filter.length)) return true;
  const mask = filter.length * 8 - 1;
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = (one + Math.imul(probe, two)) & mask;
    if (((filter[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function add(filter: Uint8Array, id: string): void {
  const [one, two] = hashes(id);
  const mask = filter.length * 8 - 1;
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = (one + Math.imul(probe, two)) & mask;
    filter[bit >>> 3] = (filter[bit >>> 3] as number) | (1 << (bit & 7));
  }
}
