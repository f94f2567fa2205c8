import type { Effect } from '../cluster/actor.ts';
import { isGroup, type UserId } from '../ids.ts';
import { userAddress } from './addresses.ts';
import { tellMember } from './effects.ts';
import { type Batch, batchOf, type Entry, entriesOf } from './entry.ts';
import { confirmedSeq, type Hosted, type Member, previousOf } from './hosted.ts';
import type { GroupSummary, MemberCommand, MessengerLimits, SettledEntry } from './messages.ts';
import type { OpenEntry, Roster } from './open-entries.ts';

const NOTHING: readonly never[] = [];

/** To the sender of entries that every other member has. */
export const settled = (hosted: Hosted, from: UserId, entries: readonly SettledEntry[]): Effect =>
  tellMember(userAddress(from), { kind: 'settled', conversation: hosted.id, entries });

/** The first entry that a member's confirmation can be about. */
export const firstOwed = (hosted: Hosted, member: Member): number => Math.max(member.confirmed, confirmedSeq(hosted)) + 1;

/** Whether an open entry is for the member: one who was away and came back has missed some. */
export const owes = (open: OpenEntry, user: UserId, member: Member): boolean =>
  member.before === undefined || open.roster.some(({ id }) => id === user);

/** The first entry that a member who isn't lagging lacks. */
export function oldestAwaited(hosted: Hosted): OpenEntry | undefined {
  for (const open of hosted.open.values()) {
    const awaited = open.roster.some(({ id }) => {
      const member = hosted.members.get(id as UserId);
      return member !== undefined && !member.lagging && member.confirmed < open.entry.seq;
    });
    if (awaited) return open;
  }
  return undefined;
}

export function settledWithout(hosted: Hosted, late: ReadonlySet<UserId>): Effect[] {
  const effects: Effect[] = [];
  for (const open of hosted.open.values()) {
    const without = open.roster.filter(
      ({ id }) => late.has(id as UserId) && id !== open.entry.from && lacks(hosted, id as UserId, open.entry.seq),
    ).length;
    if (open.waiting > 0 && open.waiting === without) effects.push(settled(hosted, open.entry.from, [open.entry]));
  }
  return effects;
}

const lacks = (hosted: Hosted, user: UserId, seq: number): boolean => (hosted.members.get(user)?.confirmed ?? 0) < seq;

/** Tells open entries again to the members chosen that lack them, in as few commands as their rosters allow. */
export function retell(hosted: Hosted, limits: MessengerLimits, chosen: (user: UserId) => boolean): Effect[] {
  const effects: Effect[] = [];
  let run: Entry[] = [];
  let roster: Roster = [];
  const tellRun = (): void => {
    const last = run.at(-1);
    if (last === undefined) return;
    const batch = batchOf(hosted.id, run);
    for (const address of roster) {
      const user = address.id as UserId;
      if (chosen(user) && lacks(hosted, user, last.seq)) effects.push(tellMember(address, delivery(hosted, batch, user)));
    }
    run = [];
  };
  for (const open of hosted.open.values()) {
    // Who an operation brings or takes begins or ends with it, so it goes alone.
    const follows =
      open.entry.kind === 'message' &&
      run.at(-1)?.kind === 'message' &&
      open.roster === roster &&
      run.at(-1)?.seq === open.entry.seq - 1 &&
      run.length < limits.redeliverEntriesMax;
    if (!follows) tellRun();
    roster = open.roster;
    run.push(open.entry);
  }
  tellRun();
  return effects;
}

/** Reads the log after what the member has, and tells it. */
export function redeliver(hosted: Hosted, user: UserId, after: number, limits: MessengerLimits): Effect {
  const member = hosted.members.get(user);
  const before = member?.before;
  const earlier = before !== undefined && after < before.until;
  const since = (earlier ? before.since : member?.since) ?? 1;
  const until = (earlier ? before.until : member?.until) ?? hosted.lastSeq;
  const from = Math.max(after, since - 1);
  const through = Math.min(until, from + limits.redeliverEntriesMax);
  const summary = summaryOf(hosted);
  return {
    kind: 'look',
    *look() {
      if (member === undefined || through <= from) return NOTHING;
      const [rows] = yield [
        { kind: 'forward', log: 'conversation', of: hosted.id, after: from, through, limit: limits.redeliverEntriesMax },
      ];
      const entries = entriesOf(rows ?? [], from + 1, through);
      if (entries.length === 0) return NOTHING;
      const previous = from < since ? 0 : from;
      return [tellMember(userAddress(user), { kind: 'deliver', batch: batchOf(hosted.id, entries), previous, summary })];
    },
    failed: () => NOTHING,
  };
}

export const summaryOf = (hosted: Hosted): GroupSummary | undefined =>
  isGroup(hosted.id) ? { title: hosted.title, members: hosted.roster.length, asOf: hosted.lastSeq } : undefined;

function delivery(hosted: Hosted, batch: Batch, user: UserId): MemberCommand {
  const first = (batch.entries[0] as Entry).seq;
  return { kind: 'deliver', batch, previous: previousOf(hosted.members.get(user), first), summary: summaryOf(hosted) };
}
