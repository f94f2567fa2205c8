import { Failure } from '../failure.ts';
import type { UserId } from '../ids.ts';
import { userAddress } from './addresses.ts';
import { bodyOf, type Entry, type EntryKind } from './entry.ts';
import { type Hosted, type Member, memberOf, newMember, rebuildRoster } from './hosted.ts';
import type { Operation, Role } from './messages.ts';
import type { Roster } from './open-entries.ts';

/** What an operation comes to, once it is found to be allowed. */
export interface Ruling {
  readonly kind: EntryKind;
  readonly body: Record<string, unknown>;
  /** Who gets the entry: the members after it, and those it removes. */
  readonly roster: Roster;
}

type GroupOperation = Exclude<Operation, { kind: 'message' }>;

/** Decides a group operation by the rules of PROTOCOL.md, Groups; throws the `Failure` that refuses it. */
export function ruleOn(group: Hosted, from: UserId, operation: GroupOperation, membersMax: number): Ruling {
  if (operation.kind === 'created') return ruleOnCreation(group, from, operation, membersMax);
  const member = requireMember(group, from);
  switch (operation.kind) {
    case 'added': {
      requireManager(member);
      const users = unique(operation.users).filter((user) => memberOf(group, user) === undefined);
      if (users.length === 0) throw new Failure('conflict', 'these users are members already');
      for (const user of users) requireRemembered(group, user);
      if (group.roster.length + users.length > membersMax) throw new Failure('limit', `a group has at most ${membersMax} members`);
      return { kind: 'added', body: { users }, roster: [...group.roster, ...users.map(userAddress)] };
    }
    case 'removed': {
      requireManager(member);
      const users = unique(operation.users).filter((user) => memberOf(group, user) !== undefined);
      if (users.length === 0) throw new Failure('not-found', 'none of these users is a member');
      for (const user of users) requireRemovable(member, memberOf(group, user), user);
      return { kind: 'removed', body: { users }, roster: group.roster };
    }
    case 'left': {
      const heir = member.role === 'owner' ? heirOf(group, from) : undefined;
      return { kind: 'left', body: heir === undefined ? {} : { owner: heir }, roster: group.roster };
    }
    case 'renamed':
      requireManager(member);
      return { kind: 'renamed', body: { title: operation.title }, roster: group.roster };
    case 'role':
      return ruleOnRole(group, from, member, operation.user, operation.role);
  }
}

function ruleOnCreation(group: Hosted, from: UserId, operation: Extract<Operation, { kind: 'created' }>, membersMax: number): Ruling {
  if (group.lastSeq > 0) throw new Failure('conflict', 'a group with this id exists, or existed; choose another id');
  const members = unique([from, ...operation.members]);
  if (members.length > membersMax) throw new Failure('limit', `a group has at most ${membersMax} members`);
  return { kind: 'created', body: { title: operation.title, members }, roster: members.map(userAddress) };
}

function ruleOnRole(group: Hosted, from: UserId, member: Member, user: UserId, role: Role): Ruling {
  if (member.role !== 'owner') throw new Failure('forbidden', 'only the owner sets roles');
  const other = memberOf(group, user);
  if (other === undefined) throw new Failure('not-found', `${user} is not a member`);
  if (user === from && role !== 'owner') throw new Failure('forbidden', 'make somebody else the owner first');
  if (other.role === role) throw new Failure('conflict', `${user} has this role already`);
  return { kind: 'role', body: { user, role }, roster: group.roster };
}

/** To an outsider a group doesn't exist; to a former member it does. */
export function requireMember(group: Hosted, user: UserId): Member {
  const member = group.members.get(user);
  if (member === undefined) throw new Failure('not-found', 'there is no such conversation for you');
  if (member.until !== undefined) throw new Failure('not-member', 'you are no longer a member of this group');
  return member;
}

function requireManager(member: Member): void {
  if (member.role === 'member') throw new Failure('forbidden', 'only the owner and admins may do this');
}

/** Two memberships of one user are remembered: a third may begin once the user has everything of the first. */
function requireRemembered(group: Hosted, user: UserId): void {
  const { before, confirmed } = group.members.get(user) ?? {};
  if (before === undefined || (confirmed ?? 0) >= before.until) return;
  throw new Failure('unavailable', `${user} hasn't got yet what there was before; try again`, { retryAfterMs: 1000 });
}

function requireRemovable(by: Member, other: Member | undefined, user: UserId): void {
  if (other?.role === 'owner') throw new Failure('forbidden', `${user} is the owner; nobody removes the owner`);
  if (other?.role === 'admin' && by.role !== 'owner') throw new Failure('forbidden', `${user} is an admin; only the owner removes admins`);
}

/** The longest-serving admin, else member; `members` is in the order of joining. */
function heirOf(group: Hosted, owner: UserId): UserId | undefined {
  const others = [...group.members].filter(([user, member]) => user !== owner && member.until === undefined);
  others.sort(([, one], [, other]) => one.since - other.since);
  return (others.find(([, member]) => member.role === 'admin') ?? others[0])?.[0];
}

const unique = (users: readonly UserId[]): UserId[] => [...new Set(users)];

/** Changes the members as the entry says; the one place that reads the bodies of operations back. */
export function applyOperation(group: Hosted, entry: Entry): void {
  const body = bodyOf(entry) as { title: string; members: UserId[]; users: UserId[]; owner?: UserId; user: UserId; role: Role };
  switch (entry.kind) {
    case 'message':
      return;
    case 'created':
      group.title = body.title;
      for (const user of body.members) join(group, user, user === entry.from ? 'owner' : 'member', entry.seq);
      break;
    case 'added':
      for (const user of body.users) join(group, user, 'member', entry.seq);
      break;
    case 'removed':
      for (const user of body.users) leave(group, user, entry.seq);
      break;
    case 'left':
      leave(group, entry.from, entry.seq);
      if (body.owner !== undefined) setRole(group, body.owner, 'owner');
      break;
    case 'renamed':
      group.title = body.title;
      break;
    case 'role':
      if (body.role === 'owner') setRole(group, entry.from, 'admin');
      setRole(group, body.user, body.role);
      break;
  }
  group.changed = true;
  rebuildRoster(group);
}

function join(group: Hosted, user: UserId, role: Role, seq: number): void {
  // Who comes back is the newest member: the map is in the order of joining.
  const old = group.members.get(user);
  group.members.delete(user);
  const member = newMember(role, seq);
  if (old?.until !== undefined) {
    member.before = { since: old.since, until: old.until };
    member.confirmed = old.confirmed;
    member.lagging = old.lagging;
  }
  group.members.set(user, member);
  group.changedMembers.add(user);
}

function leave(group: Hosted, user: UserId, seq: number): void {
  const member = group.members.get(user);
  if (member === undefined) return;
  member.until = seq;
  member.role = 'member';
  group.changedMembers.add(user);
}

function setRole(group: Hosted, user: UserId, role: Role): void {
  const member = group.members.get(user);
  if (member === undefined) return;
  member.role = role;
  group.changedMembers.add(user);
}
