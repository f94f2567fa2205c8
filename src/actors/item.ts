import type { Reading } from '../cluster/actor.ts';
import { type ConversationId, isGroup, nameFor, peerOf, type UserId } from '../ids.ts';
import type { Row, Write } from '../storage/store.ts';
import { bodyOf, type Entry, pack, unpack, unpackEntries } from './entry.ts';
import { EntryCache } from './entry-cache.ts';
import type { ConversationItem, GroupSummary } from './messages.ts';

/** A line of a user's conversation list, with the newest entries of the conversation. */
export interface Item {
  readonly id: ConversationId;
  lastSeq: number;
  /** The first seq that the user may read. */
  since: number;
  /** The lsn of the newest event; the list is sorted by it. */
  lastLsn: number;
  read: number;
  /** What the user's own devices are known to have. */
  delivered: number;
  /** Seqs of own entries after `read`, ascending; the newest `OWN_MAX` of them. */
  own: number[];
  /** How many older ones there are, and the last of them. */
  ownOlder: number;
  ownOlderThrough: number;
  /** The answer to what `moveRead` has to know where `own` doesn't go back far enough; see `recount`. */
  recounted: { readonly read: number; readonly own: number } | undefined;
  mutedUntil: number;
  left: boolean;
  /** Whether the user has written here; makes the peer of a direct conversation a contact. */
  wrote: boolean;
  summary: GroupSummary | undefined;
  peerDelivered: number;
  peerRead: number;
  /** The peer blocks the user, who is shown no watermarks of theirs. */
  peerHidden: boolean;
  /** At least the last entry. */
  readonly cache: EntryCache;
}

const OWN_MAX = 256;
const RECOUNT_ENTRIES = 512;

export const newItem = (id: ConversationId, since: number): Item => ({
  id,
  lastSeq: since - 1,
  since,
  lastLsn: 0,
  read: since - 1,
  delivered: since - 1,
  own: [],
  ownOlder: 0,
  ownOlderThrough: 0,
  recounted: undefined,
  mutedUntil: 0,
  left: false,
  wrote: false,
  summary: undefined,
  peerDelivered: 0,
  peerRead: 0,
  peerHidden: false,
  cache: new EntryCache(undefined),
});

/** Notes an entry that follows the last one, but for the cache. */
export function advance(item: Item, entry: Entry, lsn: number, reader: UserId): void {
  item.lastSeq = entry.seq;
  item.lastLsn = lsn;
  if (entry.from === reader) {
    item.wrote ||= entry.kind === 'message';
    item.own.push(entry.seq);
    if (item.own.length > OWN_MAX) {
      item.ownOlderThrough = item.own.shift() as number;
      item.ownOlder += 1;
    }
  }
  if (entry.kind !== 'message') applyOperation(item, entry, reader);
}

function applyOperation(item: Item, entry: Entry, reader: UserId): void {
  const body = bodyOf(entry) as { title: string; members: UserId[]; users: UserId[] };
  if (entry.kind === 'removed') item.left = body.users.includes(reader);
  if (entry.kind === 'left') item.left = entry.from === reader;
  const { title, members, asOf } = item.summary ?? { title: '', members: 0, asOf: 0 };
  // What came with a membership may know of later entries already.
  if (entry.seq <= asOf) return;
  const now = { title, members, asOf: entry.seq };
  switch (entry.kind) {
    case 'created':
      item.summary = { ...now, title: body.title, members: body.members.length };
      break;
    case 'added':
      item.summary = { ...now, members: members + body.users.length };
      break;
    case 'removed':
      item.summary = { ...now, members: members - body.users.length };
      break;
    case 'left':
      item.summary = { ...now, members: members - 1 };
      break;
    case 'renamed':
      item.summary = { ...now, title: body.title };
      break;
    default:
      break;
  }
}

/** Moves `read` forward; own entries up to it no longer count. */
export function moveRead(item: Item, seq: number): void {
  item.read = seq;
  item.own = item.own.filter((own) => own > seq);
  if (seq >= item.ownOlderThrough) item.ownOlder = 0;
  else if (item.recounted?.read === seq) item.ownOlder = item.recounted.own;
  item.recounted = undefined;
}

/** What must be read before `read` can move to `seq`: how many own entries there are between it and those listed. */
export function recount(item: Item, reader: UserId, seq: number): Reading<void> | undefined {
  if (item.ownOlder === 0 || seq >= item.ownOlderThrough || item.recounted?.read === seq) return undefined;
  return count(item, reader, seq);
}

function* count(item: Item, reader: UserId, seq: number): Reading<void> {
  let own = 0;
  for (let after = seq; after < item.ownOlderThrough; ) {
    const through = Math.min(item.ownOlderThrough, after + RECOUNT_ENTRIES);
    const [rows] = (yield [{ kind: 'forward', log: 'conversation', of: item.id, after, through, limit: RECOUNT_ENTRIES }]) as [
      readonly Row[],
    ];
    for (const row of rows)
      for (const entry of unpackEntries(row.payload)) if (entry.from === reader && entry.seq > after && entry.seq <= through) own += 1;
    after = through;
  }
  item.recounted = { read: seq, own };
}

/** Entries after `read` that others wrote. */
export const unread = (item: Item): number => Math.max(0, item.lastSeq - item.read - item.own.length - item.ownOlder);

export function itemFrame({ id: reader }: { readonly id: UserId }, item: Item, now: number): ConversationItem | undefined {
  const packed = item.cache.last;
  if (packed === undefined) return undefined;
  const last = unpackEntries(packed)[0] as Entry;
  const line = { conversation: nameFor(item.id, reader), lastSeq: item.lastSeq, last, read: item.read, unread: unread(item) };
  const muted = item.mutedUntil > now ? { mutedUntil: item.mutedUntil } : undefined;
  if (isGroup(item.id)) return { ...line, ...muted, title: item.summary?.title ?? '', members: item.summary?.members ?? 0 };
  if (item.peerHidden || peerOf(item.id, reader) === reader) return { ...line, ...muted };
  return { ...line, ...muted, peer: { delivered: item.peerDelivered, read: item.peerRead } };
}

/** Row of the table `item`: the fields in this order, and the packed last entry. */
export type ItemRow = [
  ...numbers: [lastSeq: number, since: number, lastLsn: number, read: number, delivered: number],
  own: number[],
  ...older: [ownOlder: number, ownOlderThrough: number],
  mutedUntil: number,
  left: boolean,
  wrote: boolean,
  summary: (Omit<GroupSummary, 'asOf'> & { readonly asOf?: number }) | null,
  ...peer: [delivered: number, read: number],
  last: Uint8Array | null,
  peerHidden: boolean,
];

export function rowOf(item: Item): ItemRow {
  return [
    ...([item.lastSeq, item.since, item.lastLsn, item.read, item.delivered] as const),
    item.own,
    item.ownOlder,
    item.ownOlderThrough,
    item.mutedUntil,
    item.left,
    item.wrote,
    item.summary ?? null,
    item.peerDelivered,
    item.peerRead,
    item.cache.last ?? null,
    item.peerHidden,
  ];
}

export const putItem = (item: Item, user: UserId, epoch: number): Write => ({
  ...({ kind: 'put', table: 'item', of: user, key: item.id, epoch } as const),
  payload: pack(rowOf(item)),
});

export const restoreItem = ({ key, payload }: Row): Item => itemOf(key as ConversationId, unpack(payload) as ItemRow);

export function itemOf(id: ConversationId, row: ItemRow): Item {
  const [
    lastSeq,
    since,
    lastLsn,
    read,
    delivered,
    own,
    ownOlder,
    ownOlderThrough,
    mutedUntil,
    left,
    wrote,
    summary,
    peerDelivered,
    peerRead,
    last,
    peerHidden,
  ] = row;
  // Written out, because a login may restore hundreds, and a spread costs as much as the rest.
  return {
    id,
    lastSeq,
    since,
    lastLsn,
    read,
    delivered,
    own,
    ownOlder,
    ownOlderThrough,
    recounted: undefined,
    mutedUntil,
    left,
    wrote,
    // Rows of old don't say as of when.
    summary: summary === null ? undefined : { ...summary, asOf: summary.asOf ?? lastSeq },
    peerDelivered,
    peerRead,
    peerHidden,
    cache: new EntryCache(last ?? undefined),
  };
}
