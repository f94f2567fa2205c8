import type { Random } from './random.ts';

/** Who takes part in a round, and who talks with whom. */
export interface Cast {
  readonly users: readonly Person[];
  readonly groups: readonly GroupPlan[];
}

export interface Person {
  readonly name: string;
  readonly peer: string;
  readonly devices: readonly { readonly name: string; readonly via: 'socket' | 'poll' }[];
  /** The groups one is in from the beginning to the end. */
  readonly groups: readonly string[];
}

export interface GroupPlan {
  readonly id: string;
  readonly owner: string;
  /** Members from the beginning to the end, the owner too. */
  readonly members: readonly string[];
  /** Added and removed again and again. */
  readonly guests: readonly string[];
}

export function castFrom(random: Random, pairs: number, groupCount: number): Cast {
  const names = Array.from({ length: pairs }, (_, pair) => [`a${pair}`, `b${pair}`] as const);
  const all = names.flat();
  const groups = Array.from({ length: groupCount }, (_, index): GroupPlan => {
    const shuffled = all.map((name) => ({ name, at: random.next() })).sort((one, other) => one.at - other.at);
    const chosen = shuffled.slice(0, random.between(6, 12)).map(({ name }) => name);
    return { id: `g${index}`, owner: chosen[0] as string, members: chosen.slice(0, -2), guests: chosen.slice(-2) };
  });
  const users = names.flatMap(([one, other]) => [person(random, one, other, groups), person(random, other, one, groups)]);
  return { users, groups };
}

function person(random: Random, name: string, peer: string, groups: readonly GroupPlan[]): Person {
  const first = { name: 'phone', via: random.chance(0.8) ? ('socket' as const) : ('poll' as const) };
  const second = { name: 'desk', via: random.chance(0.7) ? ('socket' as const) : ('poll' as const) };
  return {
    name,
    peer,
    devices: random.chance(0.3) ? [first, second] : [first],
    groups: groups.filter(({ members }) => members.includes(name)).map(({ id }) => `#${id}`),
  };
}
