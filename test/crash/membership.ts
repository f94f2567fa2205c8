import { getOrAdd, type Observed } from './observed.ts';

/** From `first` to `last` entry of a stay in a conversation; no `last`: a member still. */
export interface Stay {
  readonly first: number;
  last: number | undefined;
}

const known = new WeakMap<Observed, Map<string, ReadonlyMap<string, readonly Stay[]>>>();

/** Who was a member of `conversation` when: of a direct one by its name, of a group by its own entries. */
export function membersOf(observed: Observed, conversation: string): ReadonlyMap<string, readonly Stay[]> {
  let of = known.get(observed);
  if (of === undefined) {
    of = new Map();
    known.set(observed, of);
  }
  return getOrAdd(of, conversation, () => findMembers(observed, conversation));
}

function findMembers(observed: Observed, conversation: string): ReadonlyMap<string, readonly Stay[]> {
  if (!conversation.startsWith('#')) {
    return new Map(conversation.split(':').map((user) => [user, [{ first: 1, last: undefined }]]));
  }
  const stays = new Map<string, Stay[]>();
  const join = (user: string, seq: number): void => {
    const of = stays.get(user);
    if (of === undefined) stays.set(user, [{ first: seq, last: undefined }]);
    else if (of.at(-1)?.last !== undefined) of.push({ first: seq, last: undefined });
  };
  const leave = (user: string, seq: number): void => {
    const stay = stays.get(user)?.at(-1);
    if (stay !== undefined) stay.last ??= seq;
  };
  const entries = [...(observed.conversations.get(conversation) ?? [])].sort(([one], [other]) => one - other);
  for (const [seq, sightings] of entries) {
    const sighting = sightings.find(({ entry }) => entry.body !== undefined);
    if (sighting === undefined) continue;
    const { entry, from } = { entry: sighting.entry.entry, from: sighting.entry.from };
    const body = sighting.entry.body as { readonly members?: readonly string[]; readonly users?: readonly string[] };
    if (entry === 'created') for (const user of body.members ?? []) join(user, seq);
    else if (entry === 'added') for (const user of body.users ?? []) join(user, seq);
    else if (entry === 'removed') for (const user of body.users ?? []) leave(user, seq);
    else if (entry === 'left') leave(from, seq);
  }
  return stays;
}

/** The seqs up to `lastSeq` that a member must have in the inbox. */
export function seqsOf(stays: readonly Stay[], lastSeq: number): number[] {
  const seqs: number[] = [];
  for (const { first, last } of stays) for (let seq = first; seq <= (last ?? lastSeq); seq++) seqs.push(seq);
  return seqs;
}
