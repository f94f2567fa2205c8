import fc from 'fast-check';
import t from 'tap';
import { unpack } from '../src/actors/entry.ts';
import { PackedAnswers, type Place, type Remembered, START } from '../src/actors/packed-answers.ts';
import type { ClientId, ConversationId } from '../src/ids.ts';

/** Lengths and numbers on both sides of where msgpack's heads change. */
const text = (max: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'B', '7', '-', ':'), minLength: 1, maxLength: 3 }),
    fc.constantFrom(31, 32, max).map((length) => 'x'.repeat(length)),
  );
const number = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER));
const answers: fc.Arbitrary<Remembered[]> = fc.array(
  fc.record<Remembered>(
    {
      clientId: text(128).map((id) => id as ClientId),
      conversation: text(200).map((id) => id as ConversationId),
      kind: fc.constantFrom('message', 'created', 'removed'),
      seq: number,
      lsn: number,
      at: number,
    },
    { noNullPrototype: true },
  ),
  { maxLength: 40, size: 'max' },
);

const packed = (all: readonly Remembered[]): PackedAnswers => {
  const answers = new PackedAnswers();
  for (const answer of all) answers.add(answer);
  return answers;
};
const listed = ({ clientId, conversation, kind, seq, lsn, at }: Remembered): unknown[] => [clientId, conversation, kind, seq, lsn, at];
const rows = (answers: PackedAnswers): unknown => unpack(answers.row(START, answers.last));

t.test('each is found as it was added, the newest of those with one client id', async (t) => {
  fc.assert(
    fc.property(answers, text(128), (all, other) => {
      const answers = packed(all);
      for (const clientId of [...all.map((one) => one.clientId), other as ClientId]) {
        t.strictSame(
          answers.find(clientId),
          all.findLast((one) => one.clientId === clientId),
        );
      }
      t.equal(answers.size, all.length);
    }),
    { numRuns: 50 },
  );
});

t.test('rows hold what is between two places', async (t) => {
  fc.assert(
    fc.property(answers, fc.nat(40), fc.nat(40), (all, one, other) => {
      const answers = packed(all);
      const places: Place[] = [];
      const ids: ClientId[] = [];
      answers.forEach((clientId, before) => {
        places.push(before);
        ids.push(clientId);
      });
      places.push(answers.last);
      t.strictSame(
        ids,
        all.map(({ clientId }) => clientId),
      );
      t.strictSame(
        places.map(({ count, lsn }) => [count, lsn]),
        [0, ...all.map(({ lsn }) => lsn)].map((lsn, index) => [index, lsn]),
      );
      const [from, to] = [Math.min(one, other, all.length), Math.min(Math.max(one, other), all.length)];
      t.strictSame(unpack(answers.row(places[from] as Place, places[to] as Place)), all.slice(from, to).map(listed));
    }),
    { numRuns: 50 },
  );
});

t.test('the newest of two are kept, and more can follow them', async (t) => {
  fc.assert(
    fc.property(answers, answers, fc.nat(60), answers, (older, newer, most, more) => {
      const kept = packed(older).with(packed(newer), most);
      const left = [...older, ...newer].slice(Math.max(0, older.length + newer.length - most));
      t.strictSame(rows(kept), left.map(listed));
      t.equal(kept.last.lsn, left.at(-1)?.lsn ?? kept.last.lsn);
      for (const answer of more) kept.add(answer);
      t.strictSame(rows(kept), [...left, ...more].map(listed));
      t.equal(kept.size, left.length + more.length);
    }),
    { numRuns: 50 },
  );
});
