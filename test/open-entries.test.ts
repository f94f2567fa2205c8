import t from 'tap';
import { pack, packEntry } from '../src/actors/entry.ts';
import { OpenEntries, type OpenEntry } from '../src/actors/open-entries.ts';
import type { ClientId, UserId } from '../src/ids.ts';

const open = (seq: number, from: string, clientId: string): OpenEntry => ({
  entry: packEntry(seq, from as UserId, 0, 'message', clientId as ClientId, pack({})),
  roster: [],
  waiting: 1,
  senderHas: false,
  postedAt: 0,
  sameClientId: undefined,
});

t.test('entries of several senders under one client id are told apart, in whatever order they close', async (t) => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
    [1, 0, 2],
  ]) {
    const entries = new OpenEntries();
    const all = ['ann', 'bob', 'eve'].map((from, index) => open(index + 1, from, 'one'));
    for (const entry of all) entries.add(entry);
    const left = new Set(all);
    for (const index of order) {
      const closed = all[index] as OpenEntry;
      entries.close(closed);
      left.delete(closed);
      for (const entry of all) {
        t.equal(entries.sentAs(entry.entry.from, 'one' as ClientId), left.has(entry) ? entry : undefined);
        t.equal(entries.get(entry.entry.seq), left.has(entry) ? entry : undefined);
      }
      t.equal(entries.size, left.size);
    }
    t.equal(entries.first, undefined);
  }
});

t.test('what was never sent is not found', async (t) => {
  const entries = new OpenEntries();
  entries.add(open(5, 'ann', 'one'));
  t.equal(entries.sentAs('bob' as UserId, 'one' as ClientId), undefined);
  t.equal(entries.sentAs('ann' as UserId, 'two' as ClientId), undefined);
  t.equal(entries.first, 5);
});
