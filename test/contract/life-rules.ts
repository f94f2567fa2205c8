import assert from 'node:assert/strict';
import type { Store } from '../../src/storage/store.ts';
import { append, byBytes, positions, put, textOf } from './rows.ts';
import type { Rule } from './rule.ts';

const UNAVAILABLE = { name: 'Failure', code: 'unavailable' };

async function isClosed(store: Store): Promise<void> {
  await assert.rejects(store.write([append(1)]), UNAVAILABLE);
  await assert.rejects(store.write([]), UNAVAILABLE);
  await assert.rejects(store.read({ kind: 'row', table: 'user', of: 'alice', key: '' }), UNAVAILABLE);
  await assert.rejects(store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 1 }), UNAVAILABLE);
  await assert.rejects(store.owners('user', undefined, 1), UNAVAILABLE);
  assert.equal(typeof store.status().refusing, 'string');
}

export const lifeRules: readonly Rule[] = [
  {
    name: 'a fresh store is empty, and well',
    async holds({ store }) {
      assert.deepEqual(await store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 10 }), []);
      assert.deepEqual(await store.read({ kind: 'backward', log: 'conversation', of: 'alice:bob', limit: 10 }), []);
      assert.deepEqual(await store.read({ kind: 'row', table: 'user', of: 'alice', key: '' }), []);
      assert.deepEqual(await store.read({ kind: 'rows', table: 'item', of: 'alice', limit: 10 }), []);
      for (const table of ['user', 'item', 'list', 'answered', 'filter', 'host', 'member'] as const) {
        assert.deepEqual(await store.owners(table, undefined, 10), [], table);
      }
      const { refusing, writesPending, oldestPendingMs } = store.status();
      assert.deepEqual({ refusing, writesPending, oldestPendingMs }, { refusing: undefined, writesPending: 0, oldestPendingMs: 0 });
    },
  },
  {
    name: 'closing finishes the writes under way, and then everything is refused',
    async holds({ store }) {
      const calls = Array.from({ length: 20 }, (_, i) => store.write([append(i + 1)]));
      const closed = store.close();
      await Promise.all(calls);
      await closed;
      await isClosed(store);
      await store.close();
    },
  },
  {
    name: 'what was stored is there after the store was closed and opened again',
    claimed: (traits) => traits.durable,
    needs: 'reopen',
    async holds({ store, reopen }) {
      const keys = ['', '\x00', 'a', 'a\x00', '\u{10FFFF}'];
      await store.write([append(1, 3), append(4, 4, { epoch: 2 }), ...keys.map((key) => put(key, key, { epoch: 2 }))]);
      const underWay = store.write([append(5, 5, { epoch: 2 })]);
      await store.close();
      await underWay;
      const again = await (reopen as () => Promise<Store>)();
      try {
        const rows = await again.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 10 });
        assert.deepEqual(positions(rows), ['1-3 e1', '4-4 e2', '5-5 e2']);
        const items = await again.read({ kind: 'rows', table: 'item', of: 'alice', limit: 10 });
        assert.deepEqual(
          items.map(({ key }) => key),
          byBytes(keys),
        );
        await again.write([put('a', 'older', { epoch: 1 }), append(6, 6, { epoch: 1 })]);
        const [row] = await again.read({ kind: 'row', table: 'item', of: 'alice', key: 'a' });
        assert.equal(textOf(row), 'a', 'an older epoch is told even after a start');
        await isClosed(store);
      } finally {
        await again.close();
      }
    },
  },
];
