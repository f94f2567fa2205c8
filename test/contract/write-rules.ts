import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { Failure } from '../../src/failure.ts';
import type { Store, Write } from '../../src/storage/store.ts';
import { append, keysOf, payload, put, remove, textOf } from './rows.ts';
import type { Rule } from './rule.ts';

const outcomes = async (calls: readonly Promise<void>[]): Promise<string[]> =>
  (await Promise.allSettled(calls)).map((result) => (result.status === 'fulfilled' ? 'stored' : Failure.from(result.reason).code));

const items = async (store: Store): Promise<string[]> =>
  keysOf(await store.read({ kind: 'rows', table: 'item', of: 'alice', limit: 1000 }));

export const writeRules: readonly Rule[] = [
  {
    name: 'all that a call writes is stored',
    async holds({ store }) {
      const writes = Array.from({ length: 50 }, (_, i): Write[] => [
        append(i + 1),
        put(`${i}`, 'x'),
        put('', 'y', { table: 'host', of: `${i}` }),
      ]);
      await store.write(writes.flat());
      assert.equal((await store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 100 })).length, 50);
      assert.equal((await items(store)).length, 50);
      assert.equal((await store.owners('host', undefined, 100)).length, 50);
      await store.write([]);
    },
  },
  {
    name: 'of several writes to one row in a call the last counts',
    async holds({ store }) {
      await store.write([put('a', 'one'), put('a', 'two'), put('b', 'one'), remove('b'), remove('c'), put('c', 'one')]);
      const rows = await store.read({ kind: 'rows', table: 'item', of: 'alice', limit: 10 });
      assert.deepEqual(
        rows.map((row) => `${row.key} ${textOf(row)}`),
        ['a two', 'c one'],
      );
    },
  },
  {
    name: 'what a resolved write wrote is seen by the next read',
    async holds({ store }) {
      for (let i = 1; i <= 30; i++) {
        await store.write([append(i), put('a', `${i}`)]);
        const [row] = await store.read({ kind: 'row', table: 'item', of: 'alice', key: 'a' });
        assert.equal(textOf(row), `${i}`);
        const [last] = await store.read({ kind: 'backward', log: 'inbox', of: 'alice', limit: 1 });
        assert.equal(last?.last, i);
      }
    },
  },
  {
    name: 'calls under way together all arrive, and the last of those that write one row wins',
    claimed: (traits) => traits.ordered,
    async holds({ store }) {
      const calls = Array.from({ length: 500 }, (_, i) =>
        store.write([append(i + 1), put('last', `${i}`), put(`own ${i}`, 'x'), append(i + 1, i + 1, { of: 'bob' })]),
      );
      const { writesPending } = store.status();
      await Promise.all(calls);
      assert.ok(writesPending > 0);
      for (const of of ['alice', 'bob']) {
        const rows = await store.read({ kind: 'forward', log: 'inbox', of, after: 0, limit: 1000 });
        assert.deepEqual(
          rows.map(({ last }) => last),
          Array.from({ length: 500 }, (_, i) => i + 1),
        );
      }
      const [row] = await store.read({ kind: 'row', table: 'item', of: 'alice', key: 'last' });
      assert.equal(textOf(row), '499');
      assert.equal((await items(store)).length, 501);
      assert.equal(store.status().writesPending, 0);
      assert.equal(store.status().oldestPendingMs, 0);
    },
  },
  {
    name: 'calls resolve in the order they were made',
    claimed: (traits) => traits.ordered,
    async holds({ store }) {
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 100 }, (_, i) => store.write([put('a', `${i}`, { epoch: 1 + ((i * 7) % 3) })]).then(() => order.push(i))),
      );
      assert.deepEqual(
        order,
        Array.from({ length: 100 }, (_, i) => i),
      );
    },
  },
  {
    name: 'what was read keeps its bytes, whatever is read and written later',
    async holds({ store }) {
      await store.write([
        append(1, 1, { bytes: payload('first') }),
        append(2, 2, { bytes: payload('other') }),
        put('a', 'first'),
        put('b', 'other'),
      ]);
      const log = await store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 1 });
      const row = await store.read({ kind: 'row', table: 'item', of: 'alice', key: 'a' });
      await store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 1, limit: 1 });
      await store.read({ kind: 'row', table: 'item', of: 'alice', key: 'b' });
      await store.write([append(1, 1, { bytes: payload('again') }), put('a', 'again'), put('c', 'x'.repeat(500))]);
      assert.deepEqual([textOf(log[0]), textOf(row[0])], ['first', 'first']);
    },
  },
  {
    name: 'a call that breaks the rules is refused as a bug, whole',
    async holds({ store }) {
      const wrong: Write[] = [
        append(4095, 4096),
        append(1, 257),
        append(0, 0),
        append(2, 1),
        append(1.5, 1.5),
        append(1, 1, { epoch: -1 }),
        append(1, 1, { of: 'x'.repeat(201) }),
        put('é'.repeat(101), ''),
        { kind: 'prune', log: 'inbox', of: 'alice', through: -1 },
      ];
      for (const write of wrong) {
        await assert.rejects(store.write([put('with', ''), write]), { name: 'AssertionError' });
      }
      assert.deepEqual(await items(store), []);
      await assert.rejects(store.read({ kind: 'rows', table: 'item', of: 'alice', limit: 0 }), { name: 'AssertionError' });
    },
  },
  {
    name: 'when a write fails, so does all that was called after it, and nothing of it is stored',
    needs: 'failNextWrite',
    async holds({ store, failNextWrite }) {
      await store.write([put('before', '')]);
      failNextWrite?.();
      const failing = store.write([put('failing', '')]);
      const afterHearing = failing.then(
        () => assert.fail('the write was to fail'),
        () => outcomes([store.write([put('heard of', '')])]),
      );
      for (let turns = 0; turns < 5; turns++) await turn();
      const behind = Array.from({ length: 5 }, (_, i) => store.write([put(`behind ${i}`, '')]));
      const [together] = await Promise.all([outcomes([failing, ...behind]), afterHearing]);
      assert.deepEqual(together, Array(6).fill('unavailable'));
      const stored = await items(store);
      assert.deepEqual(
        stored.filter((key) => key !== 'heard of'),
        ['before'],
      );
    },
  },
  {
    name: 'after a failed write the store is well again, and keeps what it had',
    needs: 'failNextWrite',
    async holds({ store, failNextWrite }) {
      await store.write([put('a', 'kept'), append(1)]);
      failNextWrite?.();
      assert.deepEqual(await outcomes([store.write([put('a', 'lost'), append(2)])]), ['unavailable']);
      while ((await outcomes([store.write([put('b', 'later')])]))[0] !== 'stored') await turn();
      const rows = await store.read({ kind: 'rows', table: 'item', of: 'alice', limit: 10 });
      assert.deepEqual(rows.map(textOf), ['kept', 'later']);
      assert.equal((await store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 10 })).length, 1);
      assert.equal(store.status().refusing, undefined);
    },
  },
];
