import type { Reading } from '../cluster/actor.ts';
import type { UserId } from '../ids.ts';
import type { Row, Write } from '../storage/store.ts';
import { deriveAnswered, readFilters, segmentCount } from './answered.ts';
import { mayPack, putPacked, readLines, readWholeList } from './conversation-list.ts';
import { pack, unpack } from './entry.ts';
import { deriveHosted, isDirty, mayClose, READ_ROWS } from './hosted-rows.ts';
import { unpackRuns } from './inbox.ts';
import { putItem } from './item.ts';
import type { Visibility } from './messages.ts';
import { applyReceived } from './user-events.ts';
import { newUser, type User } from './user-state.ts';

/** Row of the table `user`. */
type UserRow = [
  version: 1,
  reflects: number,
  floor: number,
  visibility: Visibility,
  lastSeen: number | null,
  blocks: UserId[],
  segments: number,
  acknowledged: number,
  /** There may be events after `reflects`; rows of old don't say. */
  tail?: boolean,
  /** The lsn of the newest own entry in the index of client ids. */
  answeredThrough?: number,
  /** See `User.oldestAt`. */
  oldestAt?: number | null,
  listPacked?: boolean,
];

export interface UserRowsSettings {
  readonly cacheEntriesMax: number;
  /**
   * The last snapshot before an activation is unloaded says that no events come after it, and the first event that does
   * takes a row along that says so, so that most activations needn't look for any. Where a write is atomic over partitions,
   * it can be relied on.
   */
  readonly marked: boolean;
}

/** The snapshot, the events after it, and the lines that a lost state had in memory. */
export function* restoreUser(id: UserId, lost: User | undefined, settings: UserRowsSettings): Reading<User> {
  const user = newUser(id);
  const [rows] = (yield [{ kind: 'row', table: 'user', of: id, key: '' }]) as [readonly Row[]];
  if (rows[0] === undefined) {
    // A user without a snapshot has no lines either: they are written together.
    user.listComplete = true;
    user.tailMarked = true;
  } else takeUserRow(user, rows[0].payload);
  user.lsn = Math.max(user.reflects, user.floor);
  user.undeliveredAfter = user.lsn;
  // Who is a contact stands in the list, and presence can't wait for it.
  if (user.visibility === 'contacts') yield* readWholeList(user);
  if (lost !== undefined) yield* readLines(user, [...lost.items.keys()]);
  if (user.tailMarked) yield* replayInbox(user, settings.cacheEntriesMax);
  return user;
}

function takeUserRow(user: User, payload: Uint8Array): void {
  const [
    ,
    reflects,
    floor,
    visibility,
    lastSeen,
    blocks,
    segments,
    acknowledged,
    tail = true,
    answeredThrough = 0,
    oldestAt,
    listPacked = false,
  ] = unpack(payload) as UserRow;
  user.reflects = reflects;
  user.floor = floor;
  user.visibility = visibility;
  user.lastSeen = lastSeen ?? undefined;
  if (blocks.length > 0) user.blocks = new Set(blocks);
  user.acknowledged = acknowledged;
  user.acknowledgedStored = acknowledged;
  user.answered.unread = segments;
  user.answered.writtenThrough = answeredThrough;
  user.oldestAt = oldestAt ?? undefined;
  user.listPacked = listPacked;
  user.tailMarked = tail;
}

function* replayInbox(user: User, cacheEntriesMax: number): Reading<void> {
  for (;;) {
    const [rows] = (yield [{ kind: 'forward', log: 'inbox', of: user.id, after: user.lsn, limit: READ_ROWS }]) as [readonly Row[]];
    const runs = rows.flatMap((row) => unpackRuns(row.payload, row.first));
    yield* readLines(user, [...new Set(runs.map(({ batch }) => batch.conversation))]);
    for (const run of runs) applyReceived(user, run, undefined, cacheEntriesMax);
    if (rows.length < READ_ROWS) break;
  }
  const filters = user.answered.unwritten.size > 0 ? readFilters(user.answered, user.id) : undefined;
  if (filters !== undefined) yield* filters;
}

export const putUser = (user: User, epoch: number): Write => {
  const row: UserRow = [
    1,
    user.reflects,
    user.floor,
    user.visibility,
    user.lastSeen ?? null,
    [...(user.blocks ?? [])],
    segmentCount(user.answered),
    user.acknowledgedStored,
    user.tailMarked,
    user.answered.writtenThrough,
    user.oldestAt ?? null,
    user.listPacked,
  ];
  return { kind: 'put', table: 'user', of: user.id, key: '', epoch, payload: pack(row) };
};

export function userDirty(user: User): boolean {
  if (user.changed || user.changedItems !== undefined || user.answered.unwritten.size > 0) return true;
  if (user.hosted !== undefined) for (const hosted of user.hosted.values()) if (isDirty(hosted)) return true;
  return false;
}

/** The next activation would have to read more than after `deriveUser` with `closing`. */
export function userUnclosed(user: User, { marked }: UserRowsSettings): boolean {
  if (user.answered.stale > 0) return true;
  if (!marked) return false;
  if (!user.listPacked && mayPack(user)) return true;
  if (user.tailMarked && user.lsn > 0) return true;
  if (user.hosted !== undefined) for (const hosted of user.hosted.values()) if (mayClose(hosted)) return true;
  return false;
}

/**
 * All derived rows that changed, in one write: the user row says up to where the others reflect the inbox. `closing`: and
 * where that is possible, that there is nothing after.
 */
export function deriveUser(user: User, epoch: number, { marked }: UserRowsSettings, closing: boolean): Write[] {
  const writes: Write[] = [];
  if (user.changedItems !== undefined) user.listPacked = false;
  for (const conversation of user.changedItems ?? []) {
    const item = user.items.get(conversation);
    if (item !== undefined) writes.push(putItem(item, user.id, epoch));
  }
  user.changedItems = undefined;
  writes.push(...deriveAnswered(user.answered, user.id, epoch, closing));
  for (const hosted of user.hosted?.values() ?? []) {
    const closes = marked && (closing || hosted.closing) && mayClose(hosted);
    if (closes || isDirty(hosted)) writes.push(...deriveHosted(hosted, epoch, closes));
  }
  if (marked && closing && !user.listPacked && mayPack(user)) {
    writes.push(putPacked(user, epoch));
    user.listPacked = true;
  }
  user.reflects = user.lsn;
  user.acknowledgedStored = user.acknowledged;
  user.changed = false;
  if (marked && closing) user.tailMarked = false;
  writes.push(putUser(user, epoch));
  return writes;
}
