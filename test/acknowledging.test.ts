import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { hostOf } from '../src/actors/addresses.ts';
import type { ServerFrame } from '../src/actors/messages.ts';
import { addDelivery, type Deliveries, lastLsn } from '../src/actors/user-state.ts';
import { type ConversationId, conversationNamed, type UserId } from '../src/ids.ts';
import { type Device, message, submission, World } from './support/world.ts';

async function world(test: Test, limits: ConstructorParameters<typeof World>[0] = {}): Promise<World> {
  const made = new World(limits);
  test.teardown(() => made.end());
  return made;
}

/** How far `of` has what they and `reader` wrote, as the host says. */
async function delivered(w: World, reader: string, of = 'bob'): Promise<number | undefined> {
  const conversation = conversationNamed(`@${of}`, reader as UserId);
  const frames = await w.ask(await w.connect(reader, 'asking'), { kind: 'receipts', conversation, id: 'r' } as never);
  const receipts = frames.find((frame) => frame.type === 'receipts') as Extract<ServerFrame, { type: 'receipts' }>;
  return receipts.members.find(({ user }) => user === of)?.delivered;
}

async function acknowledge(w: World, device: Device, cursor: number): Promise<void> {
  w.tell(device, { kind: 'ack', device: device.name, cursor } as never);
  await w.pass(1000);
}

const receiptsTo = (device: Device): readonly ServerFrame[] => device.frames.filter((frame) => frame.type === 'receipt');

t.test('a device that acknowledges a part of what came before the restart has delivered that part', async (t) => {
  const w = await world(t);
  for (let i = 1; i <= 3; i++) for (const name of ['alice', 'carol']) await w.send(await w.connect(name), '@bob', `c${i}`);
  await w.send(await w.connect('bob'), '@alice', 'b1');
  await w.restart();
  const bob = await w.connect('bob', 'phone', 0);
  for (const [cursor, ofAlice, ofCarol] of [
    [1, 1, 0],
    [4, 2, 2],
    [5, 3, 2],
    [7, 4, 3],
  ] as const) {
    await acknowledge(w, bob, cursor);
    t.same([await delivered(w, 'alice'), await delivered(w, 'carol')], [ofAlice, ofCarol], `after ${cursor}`);
  }
});

t.test('rows that acknowledgements cover are read once, however many those are', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  for (let i = 0; i < 300; i++) await w.send(alice, '@bob', `c${i}`);
  await w.restart();
  const bob = await w.connect('bob', 'phone', 0);
  let rows = 0;
  const { read } = w.disk;
  w.disk.read = async (asked) => {
    const got = await read.call(w.disk, asked);
    if (asked.kind === 'forward') rows += got.length;
    return got;
  };
  for (let cursor = 1; cursor <= 300; cursor++) {
    w.tell(bob, { kind: 'ack', device: bob.name, cursor } as never);
    await w.settle();
  }
  t.equal(rows, 300);
  await w.pass(1000);
  t.equal(await delivered(w, 'alice'), 300);
});

t.test('a device that starts from a reset has delivered what is no longer kept', async (t) => {
  const w = await world(t, { inboxKeepMs: 3_600_000 });
  for (const n of [1, 2, 3]) await w.send(await w.connect('alice'), '@bob', `c${n}`);
  await w.restart();
  w.clock.advance(2 * 3_600_000);
  await w.settle();
  w.region.tell({ kind: 'user', id: 'bob' }, { kind: 'alarm' });
  await w.settle();
  const bob = await w.connect('bob', 'phone', 0);
  t.match(
    bob.frames.find(({ type }) => type === 'reset'),
    { reason: 'too-old' },
  );
  await acknowledge(w, bob, 3);
  t.equal(await delivered(w, 'alice'), 3);
});

t.test('who acknowledges very much at once, and later the rest, has delivered all', async (t) => {
  const w = await world(t, { unsettledPerUserMax: 1000 });
  const alice = await w.connect('alice');
  for (let i = 1; i <= 550; i++) {
    w.tell(alice, submission(alice.user, '@bob', `a${i}`, message('x')) as never);
    if (i % 50 === 0) await w.settle();
  }
  const carol = await w.connect('carol');
  for (let i = 1; i <= 10; i++) await w.send(carol, '@bob', `c${i}`);
  await w.send(await w.connect('bob', 'desk'), '@alice', 'own');
  await w.restart();
  const bob = await w.connect('bob', 'phone', 0);
  await acknowledge(w, bob, 556);
  t.equal(await delivered(w, 'alice'), 0, 'of more than 512 events, only what they cover to the end');
  await acknowledge(w, bob, 561);
  t.same([await delivered(w, 'alice'), await delivered(w, 'carol')], [551, 10]);
});

t.test('an acknowledgement in the middle of what one sent in a row covers that much, and the next one the rest', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  for (let i = 1; i <= 5; i++) await w.send(alice, '@bob', `c${i}`);
  for (const cursor of [2, 4, 5]) {
    await acknowledge(w, bob, cursor);
    t.equal(await delivered(w, 'alice'), cursor);
  }
});

t.test('runs of events end where another conversation, a lsn or a seq comes between', async (t) => {
  const runs: Deliveries[] = [];
  const one = 'alice:bob' as ConversationId;
  for (const [lsn, conversation, seq] of [
    [1, one, 1],
    [2, one, 2],
    [3, '#g' as ConversationId, 3],
    [4, one, 3],
    [6, one, 4],
    [7, one, 6],
    [8, one, 7],
  ] as const) {
    addDelivery(runs, lsn, conversation, seq);
  }
  t.strictSame(
    runs.map(({ lsn, conversation, seq, count }) => [lsn, conversation, seq, count]),
    [
      [1, one, 1, 2],
      [3, '#g', 3, 1],
      [4, one, 3, 1],
      [6, one, 4, 1],
      [7, one, 6, 2],
    ],
  );
  t.strictSame(runs.map(lastLsn), [2, 3, 4, 6, 8]);
});

t.test('who is unblocked is told the watermarks again', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.send(alice, '@bob', 'c1');
  await w.ask(bob, { kind: 'read', conversation: 'alice:bob', seq: 1, id: 'r' } as never);
  await w.pass(1000);
  t.match(receiptsTo(alice), [{ user: 'bob', read: 1 }]);
  await w.ask(bob, { kind: 'block', user: 'alice', id: 'b' } as never);
  const other = await w.connect('alice', 'new');
  await w.ask(bob, { kind: 'unblock', user: 'alice', id: 'u' } as never);
  await w.pass(1000);
  t.match(receiptsTo(other), [{ user: 'bob', delivered: 1, read: 1 }]);
});

t.test('a receipt whose telling was lost with a failed write is told all the same', async (t) => {
  const w = await world(t);
  const host = hostOf('alice:bob' as ConversationId).id;
  const peer = host === 'alice' ? 'bob' : 'alice';
  const reader = await w.connect(host);
  const other = await w.connect(peer);
  await w.send(other, `@${host}`, 'c1');
  await w.pass(5000);
  other.frames.length = 0;
  const spin = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) await turn();
  };
  w.tell(reader, { kind: 'read', conversation: 'alice:bob', seq: 1 } as never);
  await spin();
  // Both have a write under way when the receipt is told; the other's holds what is told to it.
  w.tell(other, submission(other.user, '@carol', 'x', message('x')) as never);
  await spin();
  w.clock.advance(150);
  await spin();
  w.tell(reader, submission(reader.user, '@dave', 'y', message('y')) as never);
  await spin();
  t.same(receiptsTo(other), []);
  w.disk.failing = true;
  await w.disk.flush();
  await w.pass(3000);
  t.match(receiptsTo(other).at(-1), { user: host, read: 1 });
});
