import assert from 'node:assert/strict';
import type { Row, Store, Write } from '../../src/storage/store.ts';
import { resolveTail } from '../../src/storage/tail.ts';
import { ADVERSARIAL, type Append, append, payload, positions, textOf } from './rows.ts';
import type { Rule } from './rule.ts';

interface Bounds {
  readonly after?: number;
  readonly through?: number;
  readonly limit?: number;
}

async function forward(store: Store, { after = 0, through, limit = 1000 }: Bounds = {}, of = 'alice'): Promise<readonly Row[]> {
  return store.read({ kind: 'forward', log: 'inbox', of, after, limit, ...(through === undefined ? {} : { through }) });
}

async function backward(store: Store, before: number | undefined, limit = 1000): Promise<readonly Row[]> {
  return store.read({ kind: 'backward', log: 'inbox', of: 'alice', limit, ...(before === undefined ? {} : { before }) });
}

const label = ({ first, last, epoch }: Append): string => `${first}-${last} e${epoch}`;

/** Rows of one epoch from 1 on, of these many positions each. */
function rowsOf(...sizes: readonly number[]): Append[] {
  let next = 1;
  return sizes.map((size) => {
    next += size;
    return append(next - size, next - 1);
  });
}

/** Every bound around every row, compared with what a list would give. */
async function agreesOnAllBounds(store: Store, rows: readonly Append[], upTo: number): Promise<void> {
  for (let one = 0; one <= upTo; one++) {
    const after = rows.filter(({ last }) => last > one).map(label);
    assert.deepEqual(positions(await forward(store, { after: one })), after, `forward after ${one}`);
    for (const limit of [1, 2, 3]) {
      assert.deepEqual(
        positions(await forward(store, { after: one, limit })),
        after.slice(0, limit),
        `forward after ${one}, limit ${limit}`,
      );
    }
    const before = rows.filter(({ first }) => first < one).map(label);
    before.reverse();
    assert.deepEqual(positions(await backward(store, one)), before, `backward before ${one}`);
    for (const limit of [1, 2, 3]) assert.deepEqual(positions(await backward(store, one, limit)), before.slice(0, limit), `limit ${limit}`);
    for (let through = one; through <= upTo; through++) {
      const between = rows.filter(({ first, last }) => last > one && first <= through && through > one).map(label);
      assert.deepEqual(positions(await forward(store, { after: one, through })), between, `after ${one} through ${through}`);
    }
  }
}

export const logRules: readonly Rule[] = [
  {
    name: 'a row comes back as it was appended',
    async holds({ store }) {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.write([append(1, 3, { epoch: 7, bytes: every })]);
      const [row, ...more] = await forward(store);
      assert.equal(more.length, 0);
      assert.deepEqual({ ...row, payload: undefined }, { first: 1, last: 3, key: '', epoch: 7, payload: undefined });
      assert.ok(row?.payload instanceof Uint8Array);
      assert.deepEqual([...row.payload], [...every]);
    },
  },
  {
    name: 'an empty payload and one of a megabyte come back',
    async holds({ store }) {
      const large = Buffer.alloc(2 ** 20, 'large ');
      await store.write([append(1, 1, { bytes: new Uint8Array(0) }), append(2, 2, { bytes: large }), append(3)]);
      const rows = await forward(store);
      assert.deepEqual(
        rows.map((row) => row.payload.length),
        [0, 2 ** 20, '3-3 of epoch 1'.length],
      );
      assert.equal(Buffer.compare(rows[1]?.payload as Uint8Array, large), 0);
    },
  },
  {
    name: 'positions and epochs sort as numbers, from 1 to the largest',
    async holds({ store }) {
      const edges = [1, 2, 9, 10, 11, 99, 100, 127, 128, 129, 255, 256, 257, 999, 1000, 4095, 4096, 4097, 16_383, 16_384, 65_535, 65_536];
      const far = [21, 24, 28, 31, 32, 35, 42, 49, 52].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]);
      const all = [...edges, ...far, Number.MAX_SAFE_INTEGER];
      await store.write([...all].reverse().map((position) => append(position)));
      assert.deepEqual(
        (await forward(store)).map(({ last }) => last),
        all,
      );
      assert.deepEqual(
        (await backward(store, undefined)).map(({ last }) => last),
        [...all].reverse(),
      );
      for (const [i, position] of all.entries()) {
        assert.equal((await forward(store, { after: position - 1, limit: 1 }))[0]?.last, position);
        assert.equal((await backward(store, position))[0]?.last, all[i - 1]);
      }
      await store.write([...all].reverse().map((epoch) => append(1, 1, { of: 'epochs', epoch })));
      assert.deepEqual(
        (await forward(store, {}, 'epochs')).map(({ epoch }) => epoch),
        all,
      );
    },
  },
  {
    name: 'every bound and limit gives the rows that hold a position within it',
    async holds({ store }) {
      const rows = rowsOf(3, 1, 5, 1, 1, 4);
      await store.write(rows);
      await agreesOnAllBounds(store, rows, 18);
      assert.deepEqual(positions(await backward(store, undefined)), rows.map(label).reverse());
    },
  },
  {
    name: 'bounds hold around the end of a partition',
    async holds({ store }) {
      const rows = [append(4000, 4090), append(4091, 4095), append(4096, 4100), append(4101, 4101), append(8191, 8191), append(8192, 8447)];
      await store.write(rows);
      const inside = (after: number, through: number): string[] =>
        rows.filter(({ first, last }) => last > after && first <= through).map(label);
      for (const after of [4089, 4090, 4094, 4095, 4096, 4100, 8190, 8191]) {
        for (const through of [4090, 4094, 4095, 4096, 4101, 8190, 8191, 8192, 8447]) {
          if (through <= after) continue;
          assert.deepEqual(
            positions(await forward(store, { after, through })),
            inside(after, through),
            `after ${after} through ${through}`,
          );
        }
      }
      for (const before of [4001, 4095, 4096, 4097, 8191, 8192, 8193]) {
        assert.deepEqual(positions(await backward(store, before)), inside(0, before - 1).reverse(), `before ${before}`);
      }
    },
  },
  {
    name: 'the largest row is found by each of its positions',
    async holds({ store }) {
      await store.write([append(1, 1), append(2, 257), append(258, 258)]);
      for (const position of [2, 3, 100, 256, 257]) {
        const rows = await forward(store, { after: position - 1, through: position });
        assert.deepEqual(positions(rows), ['2-257 e1'], `position ${position}`);
        assert.deepEqual(positions(await backward(store, position + 1, 1)), ['2-257 e1'], `before ${position + 1}`);
      }
    },
  },
  {
    name: 'a read goes on until its limit, however much that is',
    async holds({ store }) {
      const rows = Array.from({ length: 2500 }, (_, i) => append(i + 1, i + 1, { bytes: payload(`${i + 1}`, 300) }));
      await store.write(rows);
      for (const limit of [2499, 2500, 2501]) {
        const expected = Array.from({ length: Math.min(limit, 2500) }, (_, i) => i + 1);
        assert.deepEqual(
          (await forward(store, { limit })).map(({ last }) => last),
          expected,
        );
        assert.deepEqual(
          (await backward(store, 2501, limit)).map(({ last }) => 2501 - last),
          expected,
        );
      }
      assert.equal((await forward(store, { after: 10, through: 2400, limit: 5000 })).length, 2390);
    },
  },
  {
    name: 'rows of several epochs are all given, by last position and then by epoch',
    async holds({ store }) {
      await store.write([append(1, 3), append(4, 6)]);
      await store.write([append(4, 4, { epoch: 3 }), append(4, 6, { epoch: 2 }), append(5, 6, { epoch: 3 })]);
      const all = ['1-3 e1', '4-4 e3', '4-6 e1', '4-6 e2', '5-6 e3'];
      assert.deepEqual(positions(await forward(store)), all);
      assert.deepEqual(positions(await backward(store, undefined)), [...all].reverse());
    },
  },
  {
    name: 'a read of the middle gives a row that takes over, even from behind rows that begin later',
    async holds({ store }) {
      const zombie = [append(41, 44), append(45, 50), append(51, 51), append(52, 52)];
      const successor = append(45, 60, { epoch: 2 });
      await store.write([...zombie, successor, append(61, 61, { epoch: 2 })]);
      const rows = await forward(store, { after: 40, through: 47 });
      const segments = resolveTail(rows, 41).filter(({ first }) => first <= 47);
      assert.deepEqual(
        segments.map(({ first, row }) => `${first} e${row.epoch}`),
        ['41 e1', '45 e2'],
      );
      const back = await backward(store, 48);
      assert.ok(positions(back).includes('45-60 e2'));
    },
  },
  {
    name: 'the same row again takes the place of the first',
    async holds({ store }) {
      await store.write([append(1, 2, { bytes: payload('once') })]);
      await store.write([append(1, 2, { bytes: payload('again') })]);
      assert.deepEqual((await forward(store)).map(textOf), ['again']);
    },
  },
  {
    name: 'logs of owners that look alike are kept apart',
    async holds({ store }) {
      await store.write(ADVERSARIAL.flatMap((of, i) => [append(1, 1 + (i % 3), { of }), append(300, 300, { of, log: 'conversation' })]));
      for (const [i, of] of ADVERSARIAL.entries()) {
        assert.deepEqual(positions(await forward(store, {}, of)), [`1-${1 + (i % 3)} e1`], JSON.stringify(of));
        const [row, ...more] = await store.read({ kind: 'backward', log: 'conversation', of, limit: 10 });
        assert.deepEqual([row?.last, more.length], [300, 0], JSON.stringify(of));
      }
    },
  },
  {
    name: 'pruning removes the rows that end by then, and no others',
    async holds({ store }) {
      const rows = rowsOf(2, 2, 3, 1);
      const around = ['alic', 'alice\x00', 'alice\x01', 'alicf', 'alice '];
      await store.write([...rows, append(1, 1, { epoch: 2 }), append(1, 2, { log: 'conversation' })]);
      await store.write(around.map((of) => append(1, 1, { of })));
      for (const [through, left] of [
        [0, ['1-1 e2', '1-2 e1', '3-4 e1', '5-7 e1', '8-8 e1']],
        [1, ['1-2 e1', '3-4 e1', '5-7 e1', '8-8 e1']],
        [3, ['3-4 e1', '5-7 e1', '8-8 e1']],
        [6, ['5-7 e1', '8-8 e1']],
        [8, []],
      ] as const) {
        await store.write([{ kind: 'prune', log: 'inbox', of: 'alice', through }]);
        assert.deepEqual(positions(await forward(store)), left, `through ${through}`);
      }
      for (const of of around) assert.equal((await forward(store, {}, of)).length, 1, JSON.stringify(of));
      assert.equal((await store.read({ kind: 'backward', log: 'conversation', of: 'alice', limit: 1 })).length, 1);
    },
  },
  {
    name: 'pruning removes thousands of rows, while others are written',
    async holds({ store }) {
      await store.write(Array.from({ length: 3000 }, (_, i) => append(i + 1)));
      const prune: Write = { kind: 'prune', log: 'inbox', of: 'alice', through: 2990 };
      await Promise.all([store.write([prune, append(3001)]), store.write([append(3002)])]);
      assert.deepEqual(
        (await forward(store)).map(({ last }) => last),
        Array.from({ length: 12 }, (_, i) => 2991 + i),
      );
    },
  },
];
