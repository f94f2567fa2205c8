import type { Address, Reading } from '../cluster/actor.ts';
import type { ConversationId, UserId } from '../ids.ts';
import { isGroup, usersOf } from '../ids.ts';
import type { Read, Row, Write } from '../storage/store.ts';
import { userAddress } from './addresses.ts';
import { type Entry, pack, unpack, unpackEntries } from './entry.ts';
import { applyOperation } from './group-operations.ts';
import { confirmedSeq, emptyHosted, type Hosted, type Member, openEntry, rebuildRoster, wasIn } from './hosted.ts';
import type { Role } from './messages.ts';
import type { Roster } from './open-entries.ts';

/** Rows that one read takes, of several. */
export const READ_ROWS = 512;

/**
 * Host row: members are known up to `reflects`. `tail`: there may be entries after that; rows of old don't say. `marks`: of the
 * two of a direct conversation, as `usersOf` has them; members of a group, and of rows of old, have rows of their own.
 */
type HostRow = [
  version: 1,
  title: string,
  reflects: number,
  confirmed: number,
  lastAt: number,
  barredBy: UserId[],
  tail?: boolean,
  marks?: Marks[],
];
type Marks = [delivered: number, read: number, confirmed: number, lagging: boolean];
/** Member row: `[role, since, until, delivered, read, confirmed, lagging, since and until of the membership before]`. */
type MemberRow = [Role, number, number | null, number, number, number, boolean, [number, number] | null];

export function* restoreHosted(id: ConversationId): Reading<Hosted> {
  const members: Read = { kind: 'rows', table: 'member', of: id, limit: READ_ROWS };
  const host: Read = { kind: 'row', table: 'host', of: id, key: '' };
  let [hostRows, memberRows] = (yield isGroup(id) ? [host, members] : [host]) as [readonly Row[], (readonly Row[])?];
  const hosted = emptyHosted(id);
  let reflects = 0;
  let confirmed = 0;
  const hostRow = hostRows[0];
  if (hostRow !== undefined) {
    const [, title, reflected, settled, lastAt, barredBy, tail = true, marks] = unpack(hostRow.payload) as HostRow;
    hosted.tailMarked = tail;
    hosted.title = title;
    hosted.lastAt = lastAt;
    hosted.barredBy = barredBy;
    reflects = reflected;
    confirmed = settled;
    if (marks !== undefined) takeMarks(hosted, marks, confirmed);
    else if (memberRows === undefined) [memberRows] = (yield [members]) as [readonly Row[]];
  }
  for (let rows = memberRows ?? []; ; ) {
    for (const { key, payload } of rows) restoreMember(hosted, key as UserId, unpack(payload) as MemberRow, confirmed);
    const last = rows.at(-1);
    if (last === undefined || rows.length < READ_ROWS) break;
    [rows] = (yield [{ ...members, after: last.key }]) as [readonly Row[]];
  }
  rebuildRoster(hosted);
  hosted.lastSeq = Math.min(reflects, confirmed);
  while (hosted.tailMarked || hosted.lastSeq < reflects) {
    const [rows] = (yield [{ kind: 'forward', log: 'conversation', of: id, after: hosted.lastSeq, limit: READ_ROWS }]) as [readonly Row[]];
    for (const row of rows)
      for (const entry of unpackEntries(row.payload)) if (entry.seq > hosted.lastSeq) replay(hosted, entry, reflects, confirmed);
    if (rows.length < READ_ROWS) break;
  }
  hosted.lastSeq = Math.max(hosted.lastSeq, reflects);
  // Of a direct one, members have a line with the other's watermarks, which a crash may have set back further than these.
  const marked = !isGroup(id) && hosted.tailMarked && [...hosted.members.values()].some(({ delivered }) => delivered > 0);
  hosted.recovering = hosted.open.size > 0 || marked;
  return hosted;
}

function replay(hosted: Hosted, entry: Entry, reflects: number, confirmed: number): void {
  hosted.lastSeq = entry.seq;
  hosted.lastAt = Math.max(hosted.lastAt, entry.at);
  let roster = entry.seq > reflects ? hosted.roster : rosterAt(hosted, entry.seq);
  if (entry.seq > reflects && entry.kind !== 'message') {
    const before = roster;
    applyOperation(hosted, entry);
    roster = entry.kind === 'removed' || entry.kind === 'left' ? before : hosted.roster;
  }
  if (entry.seq > confirmed) openEntry(hosted, entry, roster, 0);
}

function restoreMember(hosted: Hosted, user: UserId, row: MemberRow, confirmed: number): void {
  const [role, since, until, delivered, read, has, lagging, before] = row;
  hosted.members.set(user, {
    role,
    since,
    until: until ?? undefined,
    before: before === null ? undefined : { since: before[0], until: before[1] },
    delivered,
    read,
    confirmed: lagging ? has : Math.max(has, confirmed),
    lagging,
  });
}

function takeMarks(hosted: Hosted, marks: readonly Marks[], confirmed: number): void {
  for (const [i, user] of usersOf(hosted.id).entries()) {
    const [delivered, read, has, lagging] = marks[i] as Marks;
    const known = { delivered, read, confirmed: lagging ? has : Math.max(has, confirmed), lagging };
    Object.assign(hosted.members.get(user) as Member, known);
  }
}

/** Who an entry went to that the member rows already reflect. */
function rosterAt(hosted: Hosted, seq: number): Roster {
  const roster: Address[] = [];
  let same = true;
  for (const [user, member] of hosted.members) {
    const then = wasIn(member, seq);
    if (then) roster.push(userAddress(user));
    if (then !== (member.until === undefined)) same = false;
  }
  return same ? hosted.roster : roster;
}

export const putHost = (hosted: Hosted, epoch: number): Write => {
  const { id, title, lastSeq, lastAt, barredBy, tailMarked } = hosted;
  const row: HostRow = [1, title, lastSeq, confirmedSeq(hosted), lastAt, [...barredBy], tailMarked];
  if (!isGroup(id)) row.push(usersOf(id).map((user) => marksOf(hosted.members.get(user) as Member)));
  return { kind: 'put', table: 'host', of: id, key: '', epoch, payload: pack(row) };
};

const marksOf = ({ delivered, read, confirmed, lagging }: Member): Marks => [delivered, read, confirmed, lagging];

/** The row that holds what the host knows of this member. */
export function putMember(hosted: Hosted, user: UserId, member: Member, epoch: number): Write {
  if (!isGroup(hosted.id)) return putHost(hosted, epoch);
  const { role, since, until, delivered, read, confirmed, lagging, before } = member;
  const earlier: [number, number] | null = before === undefined ? null : [before.since, before.until];
  const row: MemberRow = [role, since, until ?? null, delivered, read, confirmed, lagging, earlier];
  return { kind: 'put', table: 'member', of: hosted.id, key: user, epoch, payload: pack(row) };
}

export const isDirty = (hosted: Hosted): boolean => hosted.changed || hosted.closing || hosted.changedMembers.size > 0;

/** Its row says that there may be entries after those that it reflects, and there are none that aren't in memory. */
export const mayClose = (hosted: Hosted): boolean => hosted.tailMarked && hosted.lastSeq > 0 && !isGroup(hosted.id);

/**
 * The rows that changed; marks them clean. The host row goes with its members: it says what they reflect. `closes`: it also
 * says that nothing comes after, and goes along with the first entry that does (see `UserRowsSettings`), as only that of a
 * direct conversation can, whose members stay the same.
 */
export function deriveHosted(hosted: Hosted, epoch: number, closes: boolean): Write[] {
  const writes: Write[] = [];
  if (isGroup(hosted.id)) {
    for (const user of hosted.changedMembers) {
      const member = hosted.members.get(user);
      if (member !== undefined) writes.push(putMember(hosted, user, member, epoch));
    }
  }
  if (closes) hosted.tailMarked = false;
  hosted.closing = false;
  writes.push(putHost(hosted, epoch));
  hosted.changed = false;
  hosted.changedMembers.clear();
  return writes;
}
