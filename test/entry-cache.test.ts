import fc from 'fast-check';
import t from 'tap';
import { compact } from '../src/actors/compact.ts';
import { batchOf, bodyOf, type Entry, pack, packEntry, unpackEntries } from '../src/actors/entry.ts';
import { EntryCache } from '../src/actors/entry-cache.ts';
import { newItem } from '../src/actors/item.ts';
import type { ClientId, ConversationId, UserId } from '../src/ids.ts';

const chat = 'alice:bob' as ConversationId;
const entry = (seq: number): Entry =>
  packEntry(seq, 'alice' as UserId, 5, 'message', `c${seq}` as ClientId, pack({ text: 'x'.repeat(seq % 300) }));
const from = (first: number, count: number): Entry[] => Array.from({ length: count }, (_, index) => entry(first + index));
const said = (entries: readonly Entry[]): unknown => entries.map((one) => [one.seq, one.from, one.at, one.kind, one.clientId, bodyOf(one)]);

t.test('the newest entries are there, whatever batches they came in, and not twice as many', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 15 }),
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }),
      fc.nat(2 ** 12),
      (most, begins, batches, compacted) => {
        const item = { ...newItem(chat, 1), cache: new EntryCache(begins ? entry(1).packed : undefined) };
        const { cache } = item;
        let all = begins ? [entry(1)] : [];
        for (const [index, count] of batches.entries()) {
          const added = from(all.length + 1, count);
          all = [...all, ...added];
          cache.add(batchOf(chat, added), most);
          if ((compacted >> index) & 1) compact([item]);
          t.ok(cache.size >= Math.min(most, all.length) && cache.size < 2 * most, `${cache.size} of ${all.length}`);
          t.same(said(cache.entries()), said(all.slice(-cache.size)));
          t.same(said(unpackEntries(cache.last as Uint8Array)), said(all.slice(-1)));
        }
      },
    ),
    { numRuns: 30 },
  );
});

t.test('a conversation that goes on slowly stays as short, however often it is made compact', async (t) => {
  const item = newItem(chat, 1);
  for (let seq = 1; seq <= 100; seq++) {
    item.cache.add(batchOf(chat, [entry(seq)]), 15);
    compact([item]);
  }
  t.equal(item.cache.size, 15);
  t.same(said(item.cache.entries()), said(from(86, 15)));
});

t.test('an empty one has no last entry', async (t) => {
  const cache = new EntryCache(undefined);
  t.strictSame([cache.size, cache.last, cache.entries(), cache.bytes], [0, undefined, [], 0]);
});

t.test('what stays gets bytes of its own, in one buffer for all lines, once', async (t) => {
  const slab = Buffer.alloc(8192);
  const items = ['alice:bob', '#g'].map((id) => newItem(id as ConversationId, 1));
  for (const [index, { cache }] of items.entries()) {
    const entries = from(1 + index, 3).map((one, place) => {
      const at = index * 3000 + place * 1000;
      slab.set(one.packed, at);
      return { ...one, packed: slab.subarray(at, at + one.packed.length) };
    });
    cache.replace(entries);
  }
  const before = items.map(({ cache }) => said(cache.entries()));
  compact(items);
  t.same(
    items.map(({ cache }) => said(cache.entries())),
    before,
  );
  const buffers = (): Set<unknown> => new Set(items.flatMap(({ cache }) => cache.entries().map(({ packed }) => packed.buffer)));
  const [own] = buffers() as Set<ArrayBuffer>;
  t.equal(buffers().size, 1);
  t.equal(
    own?.byteLength,
    items.reduce((sum, { cache }) => sum + cache.packedBytes, 0),
  );
  compact(items);
  t.equal([...buffers()][0], own, 'they stay there');
});
