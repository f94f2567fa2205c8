import { cpus } from 'node:os';
import { batchOf, type Entry, pack, packEntry } from '../../src/actors/entry.ts';
import { inboxRows } from '../../src/actors/inbox.ts';
import { type ClientId, directId, type UserId } from '../../src/ids.ts';
import { splitAt, type Write } from '../../src/storage/store.ts';
import { MESSAGE_TEXT } from '../load/template.ts';
import { machineSeconds } from '../process-usage.ts';
import { userName } from '../scenarios/users.ts';
import type { StoreLoad } from '../subjects/bare-store.ts';
import { openBenchStore } from './open-store.ts';

/** The store alone: writes what the direct load makes a server write, and nothing else. */
const [data = '', options = '{}'] = process.argv.slice(2);
const load = JSON.parse(options) as StoreLoad;
const store = await openBenchStore(data);
const body = pack({ text: MESSAGE_TEXT });
let stored = 0;
let going = true;

/** One conversation: messages of consecutive seqs, one write under way for as many as its rows hold. */
async function converse(pair: number): Promise<void> {
  const users = [userName(pair * 2), userName(pair * 2 + 1)] as [UserId, UserId];
  const conversation = directId(...users);
  const position = { next: 1 };
  const under = Array.from({ length: load.inFlight / load.messagesPerRow }, async () => {
    while (going) {
      const first = position.next;
      const last = Math.min(splitAt(first), first + load.messagesPerRow - 1);
      position.next = last + 1;
      const entries: Entry[] = [];
      for (let seq = first; seq <= last; seq++) {
        entries.push(packEntry(seq, users[0], Date.now(), 'message', `run-1-${String(seq).padStart(8, '0')}` as ClientId, body));
      }
      const batch = batchOf(conversation, entries);
      const writes: Write[] = [{ kind: 'append', log: 'conversation', of: conversation, first, last, epoch: 1, payload: batch.packed }];
      for (const user of users) writes.push(...inboxRows(user, [{ batch, firstLsn: first, starts: false, summary: undefined }], 1));
      await store.write(writes);
      stored += entries.length;
    }
  });
  await Promise.all(under);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const conversations = Promise.all(Array.from({ length: load.pairs }, (_, pair) => converse(pair)));
await pause(load.warmMs);
const before = stored;
const cpu = process.cpuUsage();
const machine = machineSeconds();
const began = performance.now();
await pause(load.measureMs);
const messages = stored - before;
const used = process.cpuUsage(cpu);
const seconds = (performance.now() - began) / 1000;
const own = (used.user + used.system) / 1e6;
process.send?.({
  perSecond: messages / seconds,
  serverMicros: (own * 1e6) / messages,
  othersPercent: Math.max(0, ((machineSeconds() - machine - own) / seconds / cpus().length) * 100),
});
going = false;
await conversations;
await store.close();
process.disconnect();
