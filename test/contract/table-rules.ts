import assert from 'node:assert/strict';
import type { Row, Store, Table } from '../../src/storage/store.ts';
import { ADVERSARIAL, byBytes, keysOf, type PutOptions, payload, put, remove, textOf } from './rows.ts';
import type { Rule } from './rule.ts';

async function get(store: Store, key: string, { table = 'item', of = 'alice' }: PutOptions = {}): Promise<string> {
  const rows = await store.read({ kind: 'row', table, of, key });
  assert.ok(rows.length <= 1, 'one row or none');
  return textOf(rows[0]);
}

async function list(store: Store, of = 'alice', after?: string, limit = 1000): Promise<readonly Row[]> {
  return store.read({ kind: 'rows', table: 'item', of, limit, ...(after === undefined ? {} : { after }) });
}

async function allOwners(store: Store, table: Table, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const page = await store.owners(table, found.at(-1), limit);
    assert.ok(page.length <= limit, 'no more than were asked for');
    found.push(...page);
    if (page.length < limit) return found;
  }
}

export const tableRules: readonly Rule[] = [
  {
    name: 'a table’s row comes back as it was put, by key and in a range',
    async holds({ store }) {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.write([{ kind: 'put', table: 'user', of: 'alice', key: 'k', epoch: 300, payload: every }]);
      const [byKey] = await store.read({ kind: 'row', table: 'user', of: 'alice', key: 'k' });
      const [inRange] = await store.read({ kind: 'rows', table: 'user', of: 'alice', limit: 10 });
      for (const row of [byKey, inRange]) {
        assert.deepEqual({ ...row, payload: undefined }, { first: 0, last: 0, key: 'k', epoch: 300, payload: undefined });
        assert.deepEqual([...(row?.payload ?? [])], [...every]);
      }
    },
  },
  {
    name: 'an empty payload and one of a megabyte come back from a table',
    async holds({ store }) {
      const large = payload('large', 2 ** 20);
      await store.write([put('empty', ''), { ...put('large', ''), payload: large }]);
      assert.equal(await get(store, 'empty'), '');
      assert.equal((await list(store))[1]?.payload.length, 2 ** 20);
      assert.equal(Buffer.compare((await list(store))[1]?.payload as Uint8Array, large), 0);
    },
  },
  {
    name: 'a put replaces, a delete removes, and what isn’t there isn’t found',
    async holds({ store }) {
      await store.write([put('a', 'one')]);
      await store.write([put('a', 'two')]);
      assert.equal(await get(store, 'a'), 'two');
      assert.equal(await get(store, 'b'), 'none');
      assert.equal(await get(store, 'a', { of: 'bob' }), 'none');
      assert.equal(await get(store, 'a', { table: 'member' }), 'none');
      await store.write([remove('a'), remove('b')]);
      assert.equal(await get(store, 'a'), 'none');
      assert.deepEqual(await list(store), []);
    },
  },
  {
    name: 'rows of owners and keys that look alike are kept apart, and sorted by their bytes',
    async holds({ store }) {
      const text = (of: string, key: string): string => `${ADVERSARIAL.indexOf(of)} ${ADVERSARIAL.indexOf(key)}`;
      const sorted = byBytes(ADVERSARIAL);
      await store.write(ADVERSARIAL.flatMap((of) => ADVERSARIAL.map((key) => put(key, text(of, key), { of }))));
      for (const of of ADVERSARIAL) {
        const rows = await list(store, of);
        assert.deepEqual(keysOf(rows), sorted, JSON.stringify(of));
        for (const row of rows) assert.equal(textOf(row), text(of, row.key));
      }
      for (const key of ADVERSARIAL) {
        for (const of of ADVERSARIAL.slice(0, 12)) assert.equal(await get(store, key, { of }), text(of, key), JSON.stringify([of, key]));
      }
      assert.deepEqual(await allOwners(store, 'item', 7), sorted);
      await store.write(sorted.slice(1).map((key) => remove(key, { of: 'a' })));
      assert.deepEqual(keysOf(await list(store, 'a')), sorted.slice(0, 1));
      assert.equal((await list(store, 'a\x00')).length, ADVERSARIAL.length);
    },
  },
  {
    name: 'a range goes on after any key, there or not, up to any limit',
    async holds({ store }) {
      const keys = byBytes(ADVERSARIAL);
      await store.write(keys.filter((_, i) => i % 2 === 0).map((key) => put(key, 'x')));
      const there = keys.filter((_, i) => i % 2 === 0);
      for (const [i, after] of keys.entries()) {
        const rest = there.slice(Math.floor(i / 2) + 1);
        assert.deepEqual(keysOf(await list(store, 'alice', after)), rest, JSON.stringify(after));
        for (const limit of [1, 2, rest.length, rest.length + 1].filter((one) => one > 0)) {
          assert.deepEqual(keysOf(await list(store, 'alice', after, limit)), rest.slice(0, limit));
        }
      }
    },
  },
  {
    name: 'owners are listed once, page by page, each table’s own',
    async holds({ store }) {
      const owners = Array.from({ length: 23 }, (_, i) => `user${i}`);
      await store.write(owners.flatMap((of, i) => Array.from({ length: 1 + ((i * 7) % 40) }, (_, k) => put(`${k}`, '', { of }))));
      await store.write([put('', '', { table: 'host', of: 'a:b' }), put('', '', { table: 'member', of: 'c:d' })]);
      for (const limit of [1, 2, 5, 22, 23, 24, 1000])
        assert.deepEqual(await allOwners(store, 'item', limit), byBytes(owners), `limit ${limit}`);
      assert.deepEqual(await allOwners(store, 'host', 10), ['a:b']);
      assert.deepEqual(await allOwners(store, 'user', 10), []);
      assert.deepEqual(await store.owners('item', 'user10x', 1), ['user11']);
      await store.write(Array.from({ length: 40 }, (_, k) => remove(`${k}`, { of: 'user11' })));
      assert.deepEqual(await store.owners('item', 'user10', 1), ['user12']);
    },
  },
  {
    name: 'of a table’s row the highest epoch counts, whatever comes later',
    async holds({ store }) {
      await store.write([put('a', 'new', { epoch: 5 }), put('b', 'old', { epoch: 3 })]);
      await store.write([put('a', 'older', { epoch: 4 }), put('b', 'same', { epoch: 3 }), put('c', 'alone', { epoch: 1 })]);
      assert.deepEqual((await list(store)).map(textOf), ['new', 'same', 'alone']);
      await store.write([put('a', 'equal', { epoch: 5 })]);
      await store.write([put('a', 'newer', { epoch: 6 }), put('b', 'newer', { epoch: 4 })]);
      assert.deepEqual(
        (await list(store)).map(({ epoch }) => epoch),
        [6, 4, 1],
      );
      assert.equal(await get(store, 'a'), 'newer');
    },
  },
  {
    name: 'epochs hold among writes of one call and of calls not yet answered',
    async holds({ store }) {
      await Promise.all([
        store.write([put('a', 'five', { epoch: 5 }), put('a', 'four', { epoch: 4 })]),
        store.write([put('a', 'three', { epoch: 3 }), put('b', 'two', { epoch: 2 }), put('b', 'one', { epoch: 1 })]),
        store.write([put('b', 'also two', { epoch: 2 })]),
        store.write([put('c', 'nine', { epoch: 9 })]),
        store.write([put('c', 'one', { epoch: 1 }), put('d', 'one', { epoch: 1 })]),
      ]);
      assert.deepEqual((await list(store)).map(textOf), ['five', 'also two', 'nine', 'one']);
    },
  },
  {
    name: 'a delete removes a row under every epoch',
    async holds({ store }) {
      await store.write([put('a', 'new', { epoch: 5 })]);
      await store.write([put('a', 'old', { epoch: 4 })]);
      await store.write([remove('a')]);
      assert.equal(await get(store, 'a'), 'none');
      await store.write([put('a', 'after', { epoch: 1 })]);
      assert.equal(await get(store, 'a'), 'after');
      await store.write([put('b', 'new', { epoch: 5 }), remove('b'), put('b', 'again', { epoch: 2 })]);
      assert.equal(await get(store, 'b'), 'again');
    },
  },
  {
    name: 'rows asked for at the same time each get their own answer',
    async holds({ store }) {
      await store.write(Array.from({ length: 300 }, (_, i) => put(`${i}`, `text ${i}`)));
      const found = await Promise.all(Array.from({ length: 400 }, (_, i) => get(store, `${i}`)));
      assert.deepEqual(
        found,
        Array.from({ length: 400 }, (_, i) => (i < 300 ? `text ${i}` : 'none')),
      );
    },
  },
];
