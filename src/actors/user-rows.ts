import type { Reading } from '../cluster/actor.ts';
import type { UserId } from '../ids.ts';
import type { Read, Row, Write } from '../storage/store.ts';
import { deriveAnswered, restoreFilters } from './answered.ts';
import { pack, unpack } from './entry.ts';
import { deriveHosted, isDirty } from './hosted-rows.ts';
import { unpackRuns } from './inbox.ts';
import { putItem, restoreItem } from './item.ts';
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
  filters: number,
  acknowledged: number,
];

const READ_ROWS = 512;

/** The snapshot, and the events after it. */
export function* restoreUser(id: UserId, cacheMax: number): Reading<User> {
  const user = newUser(id);
  const [rows] = (yield [{ kind: 'row', table: 'user', of: id, key: '' }]) as [readonly Row[]];
  let filters = 0;
  if (rows[0] !== undefined) {
    const [, reflects, floor, visibility, lastSeen, blocks, count, acknowledged] = unpack(rows[0].payload) as UserRow;
    user.reflects = reflects;
    user.floor = floor;
    user.visibility = visibility;
    user.lastSeen = lastSeen ?? undefined;
    if (blocks.length > 0) user.blocks = new Set(blocks);
    user.acknowledged = acknowledged;
    filters = count;
  }
  user.lsn = Math.max(user.reflects, user.floor);
  const inbox = (after: number): Read => ({ kind: 'forward', log: 'inbox', of: id, after, limit: READ_ROWS });
  const items: Read = { kind: 'rows', table: 'item', of: id, limit: READ_ROWS };
  const reads: Read[] = [inbox(user.lsn)];
  // A user without a snapshot has no item rows either: they are written together.
  if (rows[0] !== undefined) reads.push(items);
  if (filters > 0) reads.push({ kind: 'rows', table: 'filter', of: id, limit: filters });
  const [firstRuns, firstItems, filterRows] = (yield reads) as readonly (readonly Row[])[];
  if (filterRows !== undefined) restoreFilters(user.answered, filterRows);
  for (let page = firstItems ?? []; ; ) {
    for (const row of page) {
      const item = restoreItem(row);
      user.items.set(item.id, item);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < READ_ROWS) break;
    [page] = (yield [{ ...items, after: last.key } as Read]) as [readonly Row[]];
  }
  for (let page = firstRuns ?? []; ; ) {
    for (const row of page) for (const run of unpackRuns(row.payload, row.first)) applyReceived(user, run, undefined, cacheMax);
    if (page.length < READ_ROWS) break;
    [page] = (yield [inbox(user.lsn)]) as [readonly Row[]];
  }
  return user;
}

export const putUser = (user: User, epoch: number): Write => {
  const row: UserRow = [
    1,
    user.reflects,
    user.floor,
    user.visibility,
    user.lastSeen ?? null,
    [...(user.blocks ?? [])],
    user.answered.filters.length,
    user.acknowledged,
  ];
  return { kind: 'put', table: 'user', of: user.id, key: '', epoch, payload: pack(row) };
};

export function userDirty(user: User): boolean {
  if (user.changed || user.changedItems.size > 0 || user.answered.unwritten.length > 0) return true;
  if (user.hosted !== undefined) for (const hosted of user.hosted.values()) if (isDirty(hosted)) return true;
  return false;
}

/** All derived rows that changed, in one write: the user row says up to where the others reflect the inbox. */
export function deriveUser(user: User, epoch: number): Write[] {
  const writes: Write[] = [];
  for (const conversation of user.changedItems) {
    const item = user.items.get(conversation);
    if (item !== undefined) writes.push(putItem(item, user.id, epoch));
  }
  user.changedItems.clear();
  writes.push(...deriveAnswered(user.answered, user.id, epoch, (clientId) => user.pending?.has(clientId) === true));
  if (user.hosted !== undefined)
    for (const hosted of user.hosted.values()) if (isDirty(hosted)) writes.push(...deriveHosted(hosted, epoch));
  user.reflects = user.lsn;
  user.changed = false;
  writes.push(putUser(user, epoch));
  return writes;
}
