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

/** Host row: the members table reflects the log up to `reflects`. `tail`: there may be entries after that; rows of old don't say. */
type HostRow = [version: 1, title: string, reflects: number, confirmed: number, lastAt: number, barredBy: UserId[], tail?: boolean];
/** Member row: `[role, since, until, delivered, read, confirmed, lagging, since and until of the membership before]`. */
type MemberRow = [Role, number, number | null, number, number, number, boolean, [number, number] | null];

export function* restoreHosted(id: ConversationId): Reading<Hosted> {
  const members: Read = { kind: 'rows', table: 'member', of: id, limit: READ_ROWS };
  // The two of a direct conversation are known, and rows by key cost less than a range.
  const wanted = isGroup(id)
    ? [members]
    : [...new Set(usersOf(id))].map((user): Read => ({ kind: 'row', table: 'member', of: id, key: user }));
  const reads = [{ kind: 'row', table: 'host', of: id, key: '' } as const, ...wanted];
  const [hostRows, ...firstMembers] = (yield reads) as [readonly Row[], ...(readonly Row[])[]];
  const hosted = emptyHosted(id);
  let reflects = 0;
  let confirmed = 0;
  const hostRow = hostRows[0];
  if (hostRow !== undefined) {
    const [, title, reflected, settled, lastAt, barredBy, tail = true] = unpack(hostRow.payload) as HostRow;
    hosted.tailMarked = tail;
    hosted.title = title;
    hosted.lastAt = lastAt;
    hosted.barredBy = barredBy;
    reflects = reflected;
    confirmed = settled;
  }
  for (let rows = firstMembers.flat(); ; ) {
    for (const row of rows) restoreMember(hosted, row, confirmed);
    const last = rows.at(-1);
    if (last === undefined || rows.length < READ_ROWS) break;
    [rows] = (yield [{ ...members, after: last.key }]) as [Row[]];
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
  hosted.recovering = hosted.open.size > 0;
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

function restoreMember(hosted: Hosted, row: Row, confirmed: number): void {
  const [role, since, until, delivered, read, has, lagging, before] = unpack(row.payload) as MemberRow;
  hosted.members.set(row.key as UserId, {
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
  const row: HostRow = [1, hosted.title, hosted.lastSeq, confirmedSeq(hosted), hosted.lastAt, [...hosted.barredBy], hosted.tailMarked];
  return { kind: 'put', table: 'host', of: hosted.id, key: '', epoch, payload: pack(row) };
};

export const putMember = (hosted: Hosted, user: UserId, member: Member, epoch: number): Write => {
  const { role, since, until, delivered, read, confirmed, lagging, before } = member;
  const earlier: [number, number] | null = before === undefined ? null : [before.since, before.until];
  const row: MemberRow = [role, since, until ?? null, delivered, read, confirmed, lagging, earlier];
  return { kind: 'put', table: 'member', of: hosted.id, key: user, epoch, payload: pack(row) };
};

export const isDirty = (hosted: Hosted): boolean => hosted.changed || hosted.changedMembers.size > 0;

/**
 * The rows that changed; marks them clean. The host row goes with its members: it says what they reflect. `marked`: it goes
 * along with the first entry after it too (see `UserRowsSettings`), as only that of a direct conversation can, whose members
 * stay the same.
 */
export function deriveHosted(hosted: Hosted, epoch: number, marked: boolean): Write[] {
  const writes: Write[] = [];
  for (const user of hosted.changedMembers) {
    const member = hosted.members.get(user);
    if (member !== undefined) writes.push(putMember(hosted, user, member, epoch));
  }
  hosted.tailMarked = !marked;
  writes.push(putHost(hosted, epoch));
  hosted.changed = false;
  hosted.changedMembers.clear();
  return writes;
}
