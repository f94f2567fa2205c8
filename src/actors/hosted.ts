import type { Address } from '../cluster/actor.ts';
import type { ConversationId, UserId } from '../ids.ts';
import { isGroup, usersOf } from '../ids.ts';
import { userAddress } from './addresses.ts';
import type { Entry } from './entry.ts';
import type { Role } from './messages.ts';
import { OpenEntries, type Roster } from './open-entries.ts';

/** One member of a conversation, also a former one, as its host knows it. */
export interface Member {
  role: Role;
  /** The first seq that this member may read. */
  since: number;
  /** The last seq that a former member got; undefined for one who is in. */
  until: number | undefined;
  /** The membership before this one, of which the member may still lack entries. */
  before: { readonly since: number; readonly until: number } | undefined;
  delivered: number;
  read: number;
  /** The member has stored every entry up to this seq. */
  confirmed: number;
  /** It didn't confirm in time: nobody waits for it, and it is told again until it has everything. */
  lagging: boolean;
}

/** What the host of a conversation knows: a user's actor of its direct ones, a group's actor of its group. */
export interface Hosted {
  readonly id: ConversationId;
  title: string;
  lastSeq: number;
  lastAt: number;
  readonly members: Map<UserId, Member>;
  roster: Roster;
  readonly open: OpenEntries;
  /** Users who don't want direct messages of the other one. */
  barredBy: readonly UserId[];
  /** The stored host row says that there may be entries after those that it reflects. */
  tailMarked: boolean;
  /** It is to leave memory once its rows say that nothing comes after them. */
  closing: boolean;
  /** `restoreHosted` read back entries or watermarks that it can't be proven of that members have them: told again with the next command. */
  recovering: boolean;
  /** Members whose watermarks the others haven't been told. */
  unannounced: Set<UserId> | undefined;
  /** When (steady) they are told. */
  announceAt: number;
  /** Those of whom they were told last, in a turn that may be lost yet. */
  announced: Set<UserId> | undefined;
  /** Times that it was tidied since something happened here. */
  unused: number;
  changed: boolean;
  readonly changedMembers: Set<UserId>;
}

export function emptyHosted(id: ConversationId): Hosted {
  const hosted: Hosted = {
    id,
    title: '',
    lastSeq: 0,
    lastAt: 0,
    members: new Map(),
    roster: [],
    open: new OpenEntries(),
    barredBy: [],
    tailMarked: true,
    closing: false,
    recovering: false,
    unannounced: undefined,
    announceAt: 0,
    announced: undefined,
    unused: 0,
    changed: false,
    changedMembers: new Set(),
  };
  if (!isGroup(id)) {
    for (const user of usersOf(id)) hosted.members.set(user, newMember('member', 1));
    rebuildRoster(hosted);
  }
  return hosted;
}

export const newMember = (role: Role, since: number): Member => ({
  role,
  since,
  until: undefined,
  before: undefined,
  delivered: since - 1,
  read: since - 1,
  confirmed: since - 1,
  lagging: false,
});

/** Whether the user is a member now. */
export const memberOf = (hosted: Hosted, user: UserId): Member | undefined => {
  const member = hosted.members.get(user);
  return member?.until === undefined ? member : undefined;
};

/** Whether the entry with this seq is, or was, for the member. */
export const wasIn = ({ since, until, before }: Member, seq: number): boolean =>
  (seq >= since && (until === undefined || seq <= until)) || (before !== undefined && seq >= before.since && seq <= before.until);

/** The seq that the member should have before an entry with this one: 0 where a membership begins with it. */
export const previousOf = (member: Member | undefined, seq: number): number =>
  member === undefined || seq === member.since || seq === member.before?.since ? 0 : seq - 1;

export function rebuildRoster(hosted: Hosted): void {
  const known = new Map(hosted.roster.map((address) => [address.id, address]));
  const roster: Address[] = [];
  for (const [user, member] of hosted.members) if (member.until === undefined) roster.push(known.get(user) ?? userAddress(user));
  hosted.roster = roster;
}

/** All up to this seq are stored by every member that isn't lagging. */
export function confirmedSeq(hosted: Hosted): number {
  const { first } = hosted.open;
  return first === undefined ? hosted.lastSeq : first - 1;
}

/** Notes that `roster` is to get the entry. */
export function openEntry(hosted: Hosted, entry: Entry, roster: Roster, postedAt: number): void {
  let waiting = 0;
  for (const address of roster) {
    if (address.id === entry.from) continue;
    const member = hosted.members.get(address.id as UserId);
    if (member !== undefined && !member.lagging && member.confirmed < entry.seq) waiting += 1;
  }
  // Read back, it may turn out that everybody has it: member rows may know more than the host's own row.
  const senderHas = (hosted.members.get(entry.from)?.confirmed ?? 0) >= entry.seq;
  if (senderHas && waiting === 0) return;
  hosted.open.add({ entry, roster, waiting, senderHas, postedAt, sameClientId: undefined });
}
