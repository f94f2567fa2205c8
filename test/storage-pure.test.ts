import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import {
  epochOf,
  logKey,
  logRow,
  logStart,
  ownerEnd,
  ownerIn,
  spaceEnd,
  tableKey,
  tableKeyText,
  tableRow,
  tableValue,
} from '../src/storage/keys.ts';
import { rowsEndBy } from '../src/storage/row-rules.ts';
import { POSITIONS_PER_PARTITION, POSITIONS_PER_ROW_MAX, type Row, splitAt } from '../src/storage/store.ts';
import { resolveTail } from '../src/storage/tail.ts';
import { ADVERSARIAL, payload } from './contract/rows.ts';

const text = fc.oneof(
  fc.constantFrom(...ADVERSARIAL),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
);
const position = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.maxSafeInteger().map((value) => Math.abs(value) + 1),
  fc.integer({ min: 1, max: 52 }).map((bits) => 2 ** bits),
);
const epoch = fc.oneof(fc.nat(3), position);
const bytesOf = (key: Uint8Array): Buffer => Buffer.from(key);
const sign = (value: number): number => Math.sign(value);
const compare = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

t.test('a log’s key is read back as it was made', async (t) => {
  fc.assert(
    fc.property(text, position, fc.nat(255), epoch, (of, last, before, epoch) => {
      const first = Math.max(1, last - before);
      const key = bytesOf(logKey('inbox', of, first, last, epoch)).toString();
      const bytes = payload('x');
      assert.deepEqual(logRow(key, bytes), { first, last, key: '', epoch, payload: bytes });
      assert.equal(ownerIn(key), of);
    }),
  );
  t.pass('it holds');
});

t.test('a table’s key and value are read back as they were made', async (t) => {
  fc.assert(
    fc.property(text, text, epoch, fc.uint8Array({ maxLength: 40 }), (of, key, epoch, bytes) => {
      const made = bytesOf(tableKey('member', of, key));
      assert.equal(made.toString(), tableKeyText('member', of, key));
      const row = tableRow(made.toString(), tableValue(epoch, bytes));
      assert.deepEqual({ ...row, payload: [...row.payload] }, { first: 0, last: 0, key, epoch, payload: [...bytes] });
      assert.equal(ownerIn(made.toString()), of);
      assert.equal(epochOf(tableValue(epoch, bytes)), epoch);
    }),
  );
  t.pass('it holds');
});

t.test('keys sort by owner, then by last position, then by epoch; a table’s by owner, then by key', async (t) => {
  fc.assert(
    fc.property(fc.tuple(text, position, epoch), fc.tuple(text, position, epoch), fc.boolean(), (one, other, sameOwner) => {
      const [of, last, epoch] = one;
      const [of2, last2, epoch2] = sameOwner ? [of, other[1], other[2]] : other;
      const a = bytesOf(logKey('inbox', of, last, last, epoch));
      const b = bytesOf(logKey('inbox', of2, last2, last2, epoch2));
      assert.equal(sign(Buffer.compare(a, b)), sign(compare(of, of2)) || sign(last - last2) || sign(epoch - epoch2));
    }),
  );
  fc.assert(
    fc.property(text, text, text, text, fc.boolean(), (of, key, of2, key2, sameOwner) => {
      const a = bytesOf(tableKey('item', of, key));
      const b = bytesOf(tableKey('item', sameOwner ? of : of2, key2));
      assert.equal(sign(Buffer.compare(a, b)), (sameOwner ? 0 : sign(compare(of, of2))) || sign(compare(key, key2)));
    }),
  );
  t.pass('it holds');
});

t.test('bounds lie before and after exactly what they bound', async (t) => {
  fc.assert(
    fc.property(text, text, position, position, epoch, (of, of2, last, bound, epoch) => {
      const key = bytesOf(logKey('inbox', of, last, last, epoch)).toString();
      assert.equal(compare(key, logStart('inbox', of, bound)) >= 0, last >= bound);
      assert.equal(compare(key, ownerEnd('inbox', of)), -1);
      if (of2 !== of) assert.equal(compare(key, ownerEnd('inbox', of2)), compare(of, of2));
      assert.equal(compare(ownerEnd('inbox', of), spaceEnd('inbox')), -1);
    }),
  );
  t.pass('it holds');
});

t.test('where a row may end', async (t) => {
  for (const first of [1, 255, 3839, 3840, 3841, 4094, 4095, 4096, 8191]) {
    t.ok(splitAt(first) - first < POSITIONS_PER_ROW_MAX);
    t.equal(Math.floor(splitAt(first) / POSITIONS_PER_PARTITION), Math.floor(first / POSITIONS_PER_PARTITION));
    t.ok(rowsEndBy(first) >= splitAt(first), 'no row that holds a position ends later than rowsEndBy says');
  }
});

interface Written {
  readonly first: number;
  readonly last: number;
  readonly epoch: number;
}

/** The rule as it is written, position by position. */
function epochsByPosition(rows: readonly Written[], from: number): number[] {
  const epochs: number[] = [];
  for (let position = from; ; position++) {
    const holding = rows.filter(({ first, last }) => first <= position && position <= last).map(({ epoch }) => epoch);
    const highest = Math.max(0, ...holding);
    if (highest === 0 || highest < Math.max(0, ...epochs)) return epochs;
    epochs.push(highest);
  }
}

const rowOf = ({ first, last, epoch }: Written): Row => ({ first, last, epoch, key: '', payload: payload('') });

/** Rows of some writers, each of which starts where it likes and never overlaps itself. */
const someWriters = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 }), fc.nat(2)), { maxLength: 5 })
  .chain((writers) => {
    const rows = writers.flatMap(([start, sizes, skips], writer) => {
      let next = start;
      return sizes.map((size, i): Written => {
        if (i === 3) next += skips;
        next += size;
        return { first: next - size, last: next - 1, epoch: writer + 1 };
      });
    });
    return fc.shuffledSubarray(rows, { minLength: Math.floor(rows.length * 0.8) });
  });

t.test('a tail is resolved as the rule says, position by position', async (t) => {
  fc.assert(
    fc.property(someWriters, fc.integer({ min: 1, max: 12 }), (rows, from) => {
      const segments = resolveTail(rows.map(rowOf), from);
      let next = from;
      const epochs = segments.flatMap(({ first, last, row }) => {
        assert.equal(first, next, 'segments follow one another');
        assert.ok(first <= last && row.first <= first && last <= row.last, 'a segment is a part of its row');
        next = last + 1;
        return Array<number>(last - first + 1).fill(row.epoch);
      });
      assert.deepEqual(epochs, epochsByPosition(rows, from));
    }),
    { numRuns: 1000 },
  );
  t.pass('it holds');
});

t.test('a tail, in examples', async (t) => {
  const resolved = (from: number, ...rows: [number, number, number][]): string =>
    resolveTail(
      rows.map(([first, last, epoch]) => rowOf({ first, last, epoch })),
      from,
    )
      .map(({ first, last, row }) => `${first}-${last} e${row.epoch}`)
      .join(' ');
  t.equal(resolved(1), '', 'nothing is nothing');
  t.equal(resolved(1, [1, 3, 1], [4, 4, 1], [5, 9, 1]), '1-3 e1 4-4 e1 5-9 e1', 'one writer');
  t.equal(resolved(3, [1, 3, 1], [4, 4, 1]), '3-3 e1 4-4 e1', 'from within a row');
  t.equal(resolved(1, [2, 3, 1]), '', 'what begins later doesn’t count');
  t.equal(resolved(1, [1, 3, 1], [5, 6, 1]), '1-3 e1', 'a gap ends it');
  t.equal(
    resolved(1, [1, 3, 1], [4, 8, 1], [6, 7, 2]),
    '1-3 e1 4-5 e1 6-7 e2',
    'a successor takes over, and what the old writer wrote beyond is void',
  );
  t.equal(resolved(1, [1, 4, 1], [3, 3, 2], [4, 4, 2], [5, 5, 1]), '1-2 e1 3-3 e2 4-4 e2', 'a zombie’s next row is void');
  t.equal(resolved(1, [5, 5, 2], [1, 4, 1], [6, 6, 1]), '1-4 e1 5-5 e2', 'in any order');
});
