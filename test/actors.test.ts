import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { hostOf, hosts } from '../src/actors/addresses.ts';
import type { Operation, ServerFrame } from '../src/actors/messages.ts';
import { Failure } from '../src/failure.ts';
import { type ConversationId, conversationNamed, directId, type UserId } from '../src/ids.ts';
import type { Row, Write } from '../src/storage/store.ts';
import { type Device, message, submission, textOf, World } from './support/world.ts';

async function world(test: Test, limits: ConstructorParameters<typeof World>[0] = {}): Promise<World> {
  const made = new World(limits);
  test.teardown(() => made.end());
  return made;
}

const users = (...names: string[]): UserId[] => names as UserId[];
const seen = (device: Device): unknown[] => device.events.map(({ lsn, conversation, entry }) => [lsn, conversation, entry.seq, entry.kind]);
const codeOf = (frame: ServerFrame | undefined): string | undefined => (frame?.type === 'error' ? frame.code : frame?.type);
const one = <Type extends ServerFrame['type']>(frames: readonly ServerFrame[], type: Type): Extract<ServerFrame, { type: Type }> => {
  const found = frames.find((frame) => frame.type === type);
  if (found === undefined) throw new Error(`no ${type} among ${frames.map((frame) => frame.type)}`);
  return found as Extract<ServerFrame, { type: Type }>;
};

t.test('a message is one entry, and one event for every device of both users', async (t) => {
  const w = await world(t);
  const phone = await w.connect('alice', 'phone');
  const desk = await w.connect('alice', 'desk');
  const bob = await w.connect('bob');
  const sent = await w.send(phone, '@bob', 'c1', 'hello');
  t.match(sent, { type: 'sent', clientId: 'c1', conversation: '@bob', seq: 1, lsn: 1 });
  t.same(seen(desk), [[1, '@bob', 1, 'message']]);
  t.same(seen(bob), [[1, '@alice', 1, 'message']]);
  t.equal(textOf(bob.events[0]?.entry as never), 'hello');
});

t.test('a resend is answered with the original, at once, later, after a restart and after a crash (acked-is-stored)', async (t) => {
  const w = await world(t);
  let alice = await w.connect('alice');
  const first = await w.send(alice, '@bob', 'c1');
  t.same(await w.send(alice, '@bob', 'c1'), { ...first, duplicate: true });
  t.equal(codeOf(await w.send(alice, '@carol', 'c1')), 'conflict');
  t.equal(codeOf(await w.submit(alice, '#g', 'c1', { kind: 'left' })), 'conflict');
  await w.crash();
  alice = await w.connect('alice');
  t.same(await w.send(alice, '@bob', 'c1'), { ...first, duplicate: true });
  await w.pass(10_000);
  await w.crash();
  alice = await w.connect('alice');
  t.same(await w.send(alice, '@bob', 'c1'), { ...first, duplicate: true });
});

t.test('a client id is remembered among thousands, from the rows and not from memory', async (t) => {
  const w = await world(t);
  let alice = await w.connect('alice');
  const firsts = [];
  for (let i = 0; i < 600; i++) {
    firsts.push(await w.send(alice, '@bob', `id-${i}`));
    if (i % 100 === 0) await w.pass(4000);
  }
  await w.pass(4000);
  await w.crash();
  alice = await w.connect('alice');
  for (const i of [0, 63, 64, 65, 319, 320, 599])
    t.same(await w.send(alice, '@bob', `id-${i}`), { ...firsts[i], duplicate: true }, `id-${i}`);
  t.match(await w.send(alice, '@bob', 'id-600'), { type: 'sent', seq: 601 });
});

t.test('of many resends at once exactly one is answered without `duplicate`', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const other = await w.connect('alice', 'desk');
  const ask = { kind: 'submit', conversation: 'alice:bob', clientId: 'c1', operation: message('x') } as never;
  const tags = [w.tell(alice, ask), w.tell(other, ask), w.tell(alice, ask)];
  await w.settle();
  const answers = tags.flatMap((tag, index) => (index === 1 ? other : alice).answers.get(tag) ?? []);
  t.equal(answers.length, 3);
  t.equal(answers.filter((frame) => frame.type === 'sent' && frame.duplicate === undefined).length, 1);
});

t.test('resends that wait for the same answer are bounded (bounded)', async (t) => {
  const w = new World({}, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  w.disk.hangs = (writes) => writes.some(({ kind, of }) => kind === 'append' && of === 'bob');
  const tags = Array.from({ length: 65 }, () => w.tell(alice, submission(alice.user, '@bob', 'c1', message('x'))));
  await w.settle();
  t.match(alice.answers.get(tags.at(-1) as number)?.[0], { type: 'error', code: 'overloaded' });
  w.disk.hangs = () => false;
  await w.pass(2000);
  t.equal(tags.filter((tag) => alice.answers.get(tag)?.[0]?.type === 'sent').length, 64);
});

for (const durable of [0, 1, 2, 3]) {
  t.test(`a crash with ${durable} writes on the disk stores a resent message once, for both (gap-free)`, async (t) => {
    for (const [from, to] of [
      ['alice', 'bob'],
      ['bob', 'alice'],
    ] as const) {
      const w = await world(t);
      let sender = await w.connect(from);
      w.tell(sender, { kind: 'submit', conversation: 'alice:bob', clientId: 'c1', operation: message('x') } as never);
      while (w.disk.waiting < Math.min(durable + 1, 2)) await new Promise(setImmediate);
      await w.crash(durable);
      sender = await w.connect(from, 'phone', 0);
      t.match(await w.send(sender, `@${to}`, 'c1'), { type: 'sent', seq: 1, lsn: 1 });
      t.match(await w.send(sender, `@${to}`, 'c2'), { type: 'sent', seq: 2, lsn: 2 });
      const reader = await w.connect(to, 'phone', 0);
      t.same(
        reader.events.map(({ lsn, entry }) => [lsn, entry.seq, entry.clientId]),
        [
          [1, 1, 'c1'],
          [2, 2, 'c2'],
        ],
      );
    }
  });
}

t.test('a write that fails is undone for everybody, and the next one goes on from there', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.send(alice, '@bob', 'c1');
  w.disk.failing = true;
  t.match(await w.send(alice, '@bob', 'c2'), { type: 'error', code: 'unavailable', clientId: 'c2' });
  t.match(await w.send(alice, '@bob', 'c2'), { type: 'sent', seq: 2, lsn: 2 });
  t.same(await w.connect('bob', 'desk', 0).then(seen), [
    [1, '@alice', 1, 'message'],
    [2, '@alice', 2, 'message'],
  ]);
  t.equal(bob.closed, undefined, 'connections stay');
});

t.test('what is stored already is answered though the sender’s state is lost before the others have it (always-answered)', async (t) => {
  const w = new World({ lagAfterMs: 60_000 }, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  const other = ['bob', 'dave', 'eve'].find((user) => hosts(alice.user, directId(alice.user, user as UserId))) as string;
  w.disk.hangs = (writes) => writes.every(({ kind, of }) => kind === 'append' && of === other);
  const tag = w.tell(alice, submission(alice.user, `@${other}`, 'c1', message('x')));
  // Its client id is in a row by now, so the state that is restored doesn't have it in memory.
  await w.pass(5000);
  w.disk.failing = true;
  t.match(await w.send(alice, '@carol', 'c2'), { type: 'error', code: 'unavailable' });
  t.equal(alice.answers.get(tag), undefined);
  w.disk.hangs = () => false;
  await w.pass(2000);
  t.match(alice.answers.get(tag), [{ type: 'sent', clientId: 'c1', seq: 1, lsn: 1 }]);
});

t.test('what was lost with a failed write is answered with the place that it gets in the end', async (t) => {
  const w = new World({}, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  const other = ['bob', 'dave', 'eve'].find((user) => hosts(user as UserId, directId(alice.user, user as UserId)));
  const write = w.disk.write.bind(w.disk);
  let lost = 0;
  w.disk.write = (writes) => {
    if (lost > 0 || !writes.some(({ kind, of }) => kind === 'append' && of === 'alice')) return write(writes);
    lost += 1;
    return Promise.reject(new Failure('unavailable', 'the disk fails'));
  };
  w.tell(alice, submission(alice.user, `@${other}`, 'c1', message('x')));
  await w.settle();
  t.equal(lost, 1);
  await w.send(await w.connect('carol'), '@alice', 'd1');
  const again = w.tell(alice, submission(alice.user, `@${other}`, 'c1', message('x')));
  await w.pass(2000);
  t.match(alice.answers.get(again), [{ type: 'sent', seq: 1, lsn: 2 }]);
});

t.test('a device with a cursor gets what came after it; one ahead of the log is told to start again', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  for (let i = 0; i < 20; i++) await w.send(alice, '@bob', `c${i}`);
  const bob = await w.connect('bob', 'phone', 15);
  t.same(
    bob.events.map(({ lsn }) => lsn),
    [16, 17, 18, 19, 20],
  );
  const ahead = await w.connect('bob', 'desk', 99);
  t.match(one(ahead.frames, 'reset'), { cursor: 20, reason: 'ahead' });
  const fresh = await w.connect('bob', 'pad');
  t.equal(one(fresh.frames, 'welcome').cursor, 20);
});

t.test('history is read by pages either way, from memory and from the log alike', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  for (let i = 1; i <= 40; i++) await w.send(alice, '@bob', `c${i}`);
  const page = async (before: number | undefined, after: number | undefined, limit: number) => {
    const ask = { kind: 'history', id: 'h', conversation: 'alice:bob', before, after, limit } as never;
    const { entries, more } = one(await w.ask(alice, ask), 'page');
    return [entries[0]?.seq, entries.at(-1)?.seq, entries.length, more];
  };
  t.same(await page(undefined, undefined, 10), [31, 40, 10, true], 'the newest, from memory');
  t.same(await page(undefined, undefined, 30), [11, 40, 30, true]);
  t.same(await page(undefined, undefined, 200), [1, 40, 40, false]);
  t.same(await page(31, undefined, 10), [21, 30, 10, true]);
  t.same(await page(6, undefined, 10), [1, 5, 5, false]);
  t.same(await page(1, undefined, 10), [undefined, undefined, 0, false]);
  t.same(await page(undefined, 0, 10), [1, 10, 10, true]);
  t.same(await page(undefined, 38, 10), [39, 40, 2, false]);
  t.same(await page(undefined, 40, 10), [undefined, undefined, 0, false]);
  t.same(await page(1000, undefined, 5), [36, 40, 5, true], 'a bound beyond the end');
});

t.test('unread counts what others wrote after `read`; own entries never count', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  for (let i = 1; i <= 300; i++) await w.send(alice, '@bob', `a${i}`);
  await w.send(bob, '@alice', 'b1');
  const line = async (device: Device) =>
    one(await w.ask(device, { kind: 'conversations', id: 'q', limit: 10, next: undefined } as never), 'conversations').items[0];
  t.match(await line(alice), { lastSeq: 301, unread: 1, read: 0 });
  t.match(await line(bob), { lastSeq: 301, unread: 300, read: 0 });
  await w.ask(alice, { kind: 'read', conversation: 'alice:bob', seq: 10, id: undefined } as never);
  t.match(await line(alice), { unread: 1, read: 10 }, 'own entries that were forgotten are counted again');
  await w.ask(bob, { kind: 'read', conversation: 'alice:bob', seq: 100, id: undefined } as never);
  t.match(await line(bob), { unread: 200, read: 100 });
  await w.ask(bob, { kind: 'read', conversation: 'alice:bob', seq: 9999, id: undefined } as never);
  t.match(await line(bob), { unread: 0, read: 301 });
  await w.pass(5000);
  t.match(await line(alice), { peer: { delivered: 301, read: 301 } });
  await w.crash();
  t.match(await line(await w.connect('alice')), { lastSeq: 301, unread: 1, read: 10, peer: { delivered: 301, read: 301 } });
});

t.test('delivered follows the devices, read follows the user, both reach the other side and own devices', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  const desk = await w.connect('bob', 'desk');
  await w.send(alice, '@bob', 'c1');
  w.tell(bob, { kind: 'ack', device: 'phone', cursor: 1 } as never);
  await w.pass(1000);
  t.match(one(alice.frames, 'receipt'), { conversation: '@bob', user: 'bob', delivered: 1, read: 0 });
  w.tell(bob, { kind: 'read', conversation: 'alice:bob', seq: 1, id: undefined } as never);
  await w.pass(1000);
  t.match(one(desk.frames, 'receipt'), { conversation: '@alice', user: 'bob', delivered: 1, read: 1 });
  t.match(alice.frames.filter((frame) => frame.type === 'receipt').at(-1), { delivered: 1, read: 1 });
  const receipts = one(await w.ask(alice, { kind: 'receipts', conversation: 'alice:bob', id: 'r' } as never), 'receipts');
  t.same(receipts.members, [
    { user: 'alice', delivered: 0, read: 0 },
    { user: 'bob', delivered: 1, read: 1 },
  ]);
});

t.test('a group: who may do what, and what each of them reads', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  const carol = await w.connect('carol');
  const created = await w.submit(alice, '#team', 'g1', { kind: 'created', title: 'Team', members: users('bob', 'alice') });
  t.match(created, { type: 'sent', conversation: '#team', seq: 1 });
  t.equal(codeOf(await w.submit(carol, '#team', 'g1', { kind: 'created', title: 'Mine', members: [] })), 'conflict');
  t.equal(codeOf(await w.send(carol, '#team', 'x1')), 'not-found');
  t.equal(codeOf(await w.submit(bob, '#team', 'x2', { kind: 'added', users: users('carol') })), 'forbidden');
  t.equal(codeOf(await w.submit(bob, '#team', 'x3', { kind: 'renamed', title: 'Bobs' })), 'forbidden');
  await w.send(bob, '#team', 'm1');
  await w.submit(alice, '#team', 'g2', { kind: 'role', user: 'bob' as UserId, role: 'admin' });
  t.match(await w.submit(bob, '#team', 'g3', { kind: 'added', users: users('carol', 'alice') }), { type: 'sent', seq: 4 });
  t.equal(codeOf(await w.submit(bob, '#team', 'x4', { kind: 'added', users: users('carol') })), 'conflict');
  t.equal(codeOf(await w.submit(bob, '#team', 'x5', { kind: 'removed', users: users('carol', 'alice') })), 'forbidden', 'refused whole');
  t.equal(codeOf(await w.submit(bob, '#team', 'x6', { kind: 'removed', users: users('dave') })), 'not-found');
  const history = await w.ask(carol, {
    kind: 'history',
    id: 'h',
    conversation: '#team',
    before: undefined,
    after: undefined,
    limit: 50,
  } as never);
  t.same(
    one(history, 'page').entries.map(({ seq, kind }) => [seq, kind]),
    [[4, 'added']],
    'from the entry that added her',
  );
  t.match(await w.submit(alice, '#team', 'g4', { kind: 'left' }), { type: 'sent', seq: 5 });
  t.match(alice.events.at(-1)?.entry, { seq: 5, kind: 'left' }, 'her last entry');
  t.equal(codeOf(await w.send(alice, '#team', 'x7')), 'not-member');
  await w.crash();
  const again = await w.connect('bob');
  const info = one(await w.ask(again, { kind: 'info', conversation: '#team', id: 'i' } as never), 'group');
  t.same(
    [...info.members].sort((a, b) => (a.user < b.user ? -1 : 1)),
    [
      { user: 'bob', role: 'owner' },
      { user: 'carol', role: 'member' },
    ],
    'the admin takes over',
  );
  t.match(await w.submit(again, '#team', 'g5', { kind: 'removed', users: users('carol') }), { type: 'sent', seq: 6 });
  t.equal(codeOf(await w.send(await w.connect('carol'), '#team', 'x8')), 'not-member');
  t.equal(
    codeOf(await w.submit(await w.connect('alice'), '#team', 'x9', { kind: 'created', title: 'Again', members: [] })),
    'conflict',
    'taken for ever',
  );
});

t.test('a group created without an id gets one, the same for a resend', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const ask = { kind: 'submit', conversation: undefined, clientId: 'g', operation: { kind: 'created', title: 'T', members: [] } } as never;
  const first = one(await w.ask(alice, ask), 'sent');
  t.match(first.conversation, /^#[A-Za-z0-9_-]{16}$/);
  t.same(one(await w.ask(alice, ask), 'sent'), { ...first, duplicate: true });
  w.limits = { ...w.limits, groupIdSecret: 'another' };
  await w.crash();
  t.same(
    one(await w.ask(await w.connect('alice'), ask), 'sent'),
    { ...first, duplicate: true },
    'also where the secret is another one now',
  );
  await w.submit(await w.connect('alice'), '#team', 'named', { kind: 'created', title: 'T', members: [] });
  t.equal(codeOf((await w.ask(await w.connect('alice'), { ...(ask as object), clientId: 'named' } as never))[0]), 'conflict');
  const other = await world(t, { groupIdSecret: 'another' });
  t.not(one(await other.ask(await other.connect('alice'), ask), 'sent').conversation, first.conversation, 'and nobody can guess it');
});

t.test('who is blocked can neither send nor see; the blocker may still write', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.send(alice, '@bob', 'c1');
  await w.ask(alice, { kind: 'watch', users: ['bob'], id: 'w' } as never);
  t.match(one(await w.ask(bob, { kind: 'block', user: 'alice', id: 'b' } as never), 'done'), { id: 'b' });
  t.match(alice.frames.filter((frame) => frame.type === 'presence').at(-1), { user: 'bob', state: 'offline' });
  t.equal(codeOf(await w.send(alice, '@bob', 'c2')), 'forbidden');
  t.match(await w.send(bob, '@alice', 'b1'), { type: 'sent', seq: 2 });
  const receipts = one(await w.ask(alice, { kind: 'receipts', conversation: 'alice:bob', id: 'r' } as never), 'receipts');
  t.same(
    receipts.members.map(({ user }) => user),
    ['alice'],
  );
  const peer = async (device: Device) =>
    one(await w.ask(device, { kind: 'conversations', id: 'q', limit: 1, next: undefined } as never), 'conversations').items[0]?.peer;
  t.equal(await peer(alice), undefined, 'no watermarks of the blocker');
  await w.crash();
  const back = await w.connect('alice');
  t.equal(codeOf(await w.send(back, '@bob', 'c3')), 'forbidden', 'a block is durable');
  t.match(await w.send(back, '@bob', 'c1'), { type: 'sent', duplicate: true }, 'a resend is answered before permission is checked');
  await w.ask(await w.connect('bob'), { kind: 'unblock', user: 'alice', id: 'u' } as never);
  t.match(await w.send(back, '@bob', 'c3'), { type: 'sent', seq: 3 });
});

t.test('who was blocked before anything was written sees no watermarks of the blocker either', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  await w.ask(alice, { kind: 'block', user: 'bob', id: 'b' } as never);
  for (const again of [false, true]) {
    if (again) await w.restart();
    await w.send(await w.connect('alice'), '@bob', `c${again}`);
    const list = one(
      await w.ask(await w.connect('bob'), { kind: 'conversations', id: 'l', limit: 9, next: undefined } as never),
      'conversations',
    );
    t.match(list.items, [{ conversation: '@alice', unread: again ? 2 : 1, peer: undefined }]);
  }
});

t.test('presence: at once, on change, away, and offline only after a grace (quiet-ends)', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const watched = await w.ask(alice, { kind: 'watch', users: ['bob', 'nobody'], id: 'w' } as never);
  t.same(
    watched.map((frame) => (frame.type === 'presence' ? frame.state : frame.type)),
    ['offline', 'offline', 'done'],
  );
  const bob = await w.connect('bob');
  const states = (): string[] => alice.frames.flatMap((frame) => (frame.type === 'presence' && frame.user === 'bob' ? [frame.state] : []));
  t.same(states(), ['offline', 'online']);
  await w.ask(bob, { kind: 'presence', device: 'phone', state: 'away', id: undefined } as never);
  t.same(states().at(-1), 'away');
  w.disconnect(bob);
  await w.pass(2000);
  t.same(states().length, 3, 'still in grace');
  const back = await w.connect('bob');
  t.same(states().at(-1), 'online');
  w.disconnect(back);
  await w.pass(6000);
  t.match(alice.frames.at(-1), { type: 'presence', user: 'bob', state: 'offline' });
  t.type((alice.frames.at(-1) as { lastSeen?: number }).lastSeen, 'number');
  await w.ask(alice, { kind: 'unwatch', users: ['bob'], id: undefined } as never);
  await w.connect('bob');
  t.same(states().at(-1), 'offline', 'no longer told');
});

t.test('visibility: contacts are those the user wrote to, nobody sees nothing, at once', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.ask(alice, { kind: 'watch', users: ['bob'], id: 'w' } as never);
  const state = (): unknown => alice.frames.filter((frame) => frame.type === 'presence').at(-1)?.state;
  await w.ask(bob, { kind: 'settings', presence: 'contacts', id: 's' } as never);
  t.equal(state(), 'offline');
  await w.send(bob, '@alice', 'b1');
  t.equal(state(), 'online', 'at once when one is written to');
  await w.ask(bob, { kind: 'settings', presence: 'everyone', id: 's' } as never);
  t.equal(state(), 'online');
  await w.ask(bob, { kind: 'settings', presence: 'nobody', id: 's' } as never);
  t.equal(state(), 'offline');
  await w.crash();
  const again = await w.connect('alice');
  await w.connect('bob');
  const [presence] = await w.ask(again, { kind: 'watch', users: ['bob'], id: 'w' } as never);
  t.match(presence, { state: 'offline' }, 'settings are durable');
});

t.test('a device that connects again replaces its older connection; one too many is refused', async (t) => {
  const w = await world(t);
  const first = await w.connect('alice', 'd1');
  await w.connect('alice', 'd1');
  t.equal(first.closed, 4501);
  for (const name of ['d2', 'd3', 'd4']) await w.connect('alice', name);
  const fifth = await w.connect('alice', 'd5');
  t.equal(fifth.closed, 4505);
  t.match(one(fifth.frames, 'error'), { code: 'limit' });
});

t.test('a mute is durable, shows until it ends, and says nothing to others', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  await w.send(alice, '@bob', 'c1');
  const until = w.clock.now() + 60_000;
  t.equal(codeOf((await w.ask(alice, { kind: 'mute', conversation: '#zed', until, id: 'm' } as never))[0]), 'not-found');
  await w.ask(alice, { kind: 'mute', conversation: 'alice:zed', until, id: 'm' } as never);
  await w.ask(alice, { kind: 'mute', conversation: 'alice:bob', until, id: 'm' } as never);
  await w.crash();
  const back = await w.connect('alice');
  const line = async () =>
    one(await w.ask(back, { kind: 'conversations', id: 'q', limit: 10, next: undefined } as never), 'conversations').items[0];
  t.equal((await line())?.mutedUntil, until);
  await w.send(back, '@zed', 'z1');
  t.match(await line(), { conversation: '@zed', mutedUntil: until }, 'also where nobody had written yet');
  w.clock.advance(61_000);
  t.equal((await line())?.mutedUntil, undefined);
});

t.test('a notebook is a conversation with oneself', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const desk = await w.connect('alice', 'desk');
  t.match(await w.send(alice, '@alice', 'n1'), { type: 'sent', conversation: '@alice', seq: 1, lsn: 1 });
  t.same(seen(desk), [[1, '@alice', 1, 'message']]);
});

t.test('the inbox is pruned after its time; a cursor from before is told to start again', async (t) => {
  const w = await world(t, { inboxKeepMs: 3_600_000 });
  const alice = await w.connect('alice');
  for (let i = 0; i < 10; i++) await w.send(alice, '@bob', `c${i}`);
  await w.pass(5000);
  w.clock.advance(2 * 3_600_000);
  await w.settle();
  await w.send(alice, '@bob', 'late');
  w.region.tell({ kind: 'user', id: 'bob' }, { kind: 'alarm' });
  await w.settle();
  const old = await w.connect('bob', 'old', 3);
  t.match(one(old.frames, 'reset'), { cursor: 11, reason: 'too-old' });
  const kept = await w.connect('bob', 'kept', 10);
  t.same(seen(kept), [[11, '@alice', 11, 'message']]);
  const history = await w.ask(kept, {
    kind: 'history',
    id: 'h',
    conversation: 'alice:bob',
    before: undefined,
    after: 0,
    limit: 50,
  } as never);
  t.equal(one(history, 'page').entries.length, 11, 'history is kept');
  t.match(await w.send(alice, '@bob', 'c0'), { type: 'sent', seq: 1, lsn: 1, duplicate: true }, 'and so are client ids');
});

t.test('a member that is slow to store holds up `sent` only for a while, and is told again until it has everything', async (t) => {
  const w = new World({}, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  const carol = await w.connect('carol');
  await w.submit(alice, '#team', 'g1', { kind: 'created', title: 'T', members: users('bob', 'carol') });
  w.disk.hangs = (writes) => writes.some(({ kind, of }) => kind === 'append' && of === 'bob');
  const first = w.tell(alice, submission(alice.user, '#team', 'm1', message('one')));
  await w.settle();
  t.same(alice.answers.get(first), undefined, 'not stored for everybody: no `sent`');
  t.match(alice.events.at(-1)?.entry, { clientId: 'm1' }, "the sender's stream doesn't wait");
  t.match(carol.events.at(-1)?.entry, { clientId: 'm1' }, 'nor do others');
  await w.pass(2000);
  t.same(alice.answers.get(first), undefined);
  await w.pass(3000);
  t.match(alice.answers.get(first)?.[0], { type: 'sent', seq: 2 }, 'bob is lagging now');
  t.match(await w.send(alice, '#team', 'm2'), { type: 'sent', seq: 3 }, 'and holds up nothing more');
  w.disk.hangs = () => false;
  await w.pass(5000);
  t.same(seen(bob).slice(1), [
    [2, '#team', 2, 'message'],
    [3, '#team', 3, 'message'],
  ]);
  t.match(await w.send(carol, '#team', 'm3'), { type: 'sent', seq: 4 });
  t.same(seen(bob).at(-1), [4, '#team', 4, 'message']);
  await w.pass(5000);
  await w.crash();
  t.match(await w.send(await w.connect('alice'), '#team', 'm4'), { type: 'sent', seq: 5 });
  t.equal((await w.connect('bob', 'desk', 0)).events.length, 5);
});

t.test('typing reaches members that are connected, and nobody who is blocked', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.send(alice, '@bob', 'c1');
  const typing = async (): Promise<number> => {
    await w.ask(alice, { kind: 'typing', conversation: 'alice:bob', id: undefined } as never);
    return bob.frames.filter((frame) => frame.type === 'typing').length;
  };
  t.equal(await typing(), 1);
  t.notOk(alice.frames.some((frame) => frame.type === 'typing'));
  await w.ask(bob, { kind: 'block', user: 'alice', id: 'b' } as never);
  t.equal(await typing(), 1);
});

t.test('when all is quiet no actor keeps anything waiting, and all are unloaded (quiet-ends)', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.submit(alice, '#team', 'g1', { kind: 'created', title: 'T', members: users('bob') });
  for (let i = 0; i < 10; i++) await w.send(i % 2 === 0 ? alice : bob, '#team', `m${i}`);
  await w.send(alice, '@bob', 'd1');
  await w.ask(alice, { kind: 'watch', users: ['bob'], id: 'w' } as never);
  w.disconnect(alice);
  w.disconnect(bob);
  await w.pass(200_000);
  t.same(w.region.stats().loaded, { user: 0, group: 0 });
});

t.test('who is removed and added again at once holds nothing up, and is told everything that was for them', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob', 'cy') });
  const tags = [
    w.tell(alice, submission(alice.user, '#g', 's', message('s'))),
    w.tell(alice, submission(alice.user, '#g', 'r', { kind: 'removed', users: users('bob') })),
    w.tell(alice, submission(alice.user, '#g', 'm', message('not for bob'))),
    w.tell(alice, submission(alice.user, '#g', 'a', { kind: 'added', users: users('bob') })),
    w.tell(alice, submission(alice.user, '#g', 't', message('t'))),
  ];
  await w.settle();
  for (const tag of tags) t.match(alice.answers.get(tag)?.[0], { type: 'sent' });
  t.same(
    bob.events.map(({ lsn, entry }) => [lsn, entry.clientId]),
    [
      [1, 'g1'],
      [2, 's'],
      [3, 'r'],
      [4, 'a'],
      [5, 't'],
    ],
  );
  await w.crash();
  const again = await w.connect('alice');
  for (const id of ['s', 't']) t.match(await w.send(again, '#g', id), { type: 'sent', duplicate: true });
  t.match(await w.submit(again, '#g', 'r', { kind: 'removed', users: users('bob') }), { type: 'sent', duplicate: true });
});

t.test('a resend is stored once though its answer waited long among many (acked-is-stored)', async (t) => {
  const w = new World({ unsettledPerUserMax: 1000 }, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  await w.connect('bob');
  await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob') });
  w.disk.hangs = (writes) => writes.some(({ kind, of }) => kind === 'append' && of === 'bob');
  for (let i = 0; i < 200; i++) w.tell(alice, submission(alice.user, '#g', `m${i}`, message('x')));
  await w.settle();
  await w.pass(4000);
  w.disk.hangs = () => false;
  await w.pass(3000);
  for (const i of [0, 10, 199]) t.match(await w.send(alice, '#g', `m${i}`), { type: 'sent', seq: i + 2, duplicate: true });
  t.match(await w.send(alice, '#g', 'new'), { type: 'sent', seq: 202 });
});

t.test('a sender whose only other member lags is answered', async (t) => {
  const w = new World({}, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob') });
  w.disk.hangs = (writes) => writes.some(({ kind, of }) => kind === 'append' && of === 'bob');
  w.tell(alice, submission(alice.user, '#g', 'm1', message('x')));
  await w.pass(6000);
  t.match(await w.send(alice, '#g', 'm2'), { type: 'sent', seq: 3 });
  w.disk.hangs = () => false;
});

t.test('after a failed write, devices that only listen are told what comes next', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  const desk = await w.connect('bob', 'desk');
  w.disk.failing = true;
  await w.send(alice, '@bob', 'c1');
  await w.send(alice, '@bob', 'c1');
  await w.settle();
  for (const device of [bob, desk])
    t.ok(device.events.length === 1 || device.frames.some(({ type }) => type === 'stale'), 'told, or told to ask');
});

t.test('after a restart only those are waited for who may lack an entry, though a member row knows more than its host', async (t) => {
  const w = new World({ lagAfterMs: 60_000 }, { ordered: false, durable: true });
  t.teardown(() => w.end());
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob', 'cy') });
  w.disk.hangs = (writes) => writes.some(({ kind, of }) => kind === 'append' && of === 'cy');
  w.tell(alice, submission(alice.user, '#g', 'm1', message('x')));
  await w.settle();
  // Bob's row is written with what he has; the host's own row still waits for cy.
  w.tell(bob, { kind: 'read', conversation: '#g', seq: 2, id: undefined } as never);
  await w.pass(4000);
  w.disk.hangs = () => false;
  await w.crash();
  t.match(await w.send(await w.connect('alice'), '#g', 'm1'), { type: 'sent', seq: 2, duplicate: true });
});

t.test('a system clock that steps back moves no deadline, and no `at` backwards', async (t) => {
  const w = new World();
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.ask(alice, { kind: 'watch', users: ['bob' as UserId], id: 'w' });
  await w.send(bob, '@alice', 'b1');
  w.disconnect(bob);
  w.clock.step(-3_600_000);
  await w.pass(w.limits.offlineGraceMs + 1000);
  const last = alice.frames.filter((frame) => frame.type === 'presence').at(-1);
  t.match(last, { user: 'bob', state: 'offline' });
  await w.send(alice, '@bob', 'a1');
  const [page] = await w.ask(alice, {
    kind: 'history',
    id: 'h',
    conversation: conversationNamed('@bob', alice.user) as ConversationId,
    before: undefined,
    after: undefined,
    limit: 10,
  });
  const times = page?.type === 'page' ? page.entries.map(({ at }) => at) : [];
  t.equal(times.length, 2);
  t.ok((times[1] as number) >= (times[0] as number));
  await w.end();
});

t.test('a device that connects again is no longer among those that watch', async (t) => {
  const w = new World();
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.ask(alice, { kind: 'watch', users: ['bob' as UserId], id: 'w' });
  const again = await w.connect('alice');
  w.disconnect(again);
  w.disconnect(bob);
  for (let minute = 0; minute < 5; minute++) await w.pass(60_000);
  t.same(w.region.stats().loaded, { user: 0, group: 0 }, 'so nothing keeps anybody loaded');
  await w.end();
});

t.test('a resend while the rows of its id are still on their way to the disk is answered as one (acked-is-stored)', async (t) => {
  const w = new World();
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 60; j++) w.tell(alice, submission(alice.user, '@bob', `c${i * 60 + j}`, message('x')));
    await w.settle();
  }
  // The index is derived, and most ids leave the memory; the disk takes its time.
  w.clock.advance(10_000);
  for (let i = 0; i < 50; i++) await turn();
  t.ok(w.disk.waiting > 0);
  const tag = w.tell(alice, submission(alice.user, '@bob', 'c0', message('x')));
  for (let i = 0; i < 50; i++) await turn();
  await w.settle();
  t.match(alice.answers.get(tag), [{ type: 'sent', clientId: 'c0', seq: 1, duplicate: true }]);
  t.equal(bob.events.length, 240);
  await w.end();
});

t.test('an activation reads no more than it needs, however long the conversation list is', async (t) => {
  const w = await world(t);
  const bob = await w.connect('bob');
  for (let i = 0; i < 30; i++) await w.send(await w.connect(`friend-${i}`), '@bob', 'c1');
  await w.send(bob, '@friend-3', 'own');
  await w.ask(bob, {
    kind: 'read',
    conversation: conversationNamed('@friend-3', 'bob' as UserId) as ConversationId,
    seq: 1,
    id: 'r',
  } as never);
  await w.restart();
  const readOfBob = (): string[] =>
    w.disk.reads.splice(0).flatMap((read) => {
      if (read.of !== 'bob') return [];
      return read.kind === 'row' || read.kind === 'rows' ? `${read.kind} ${read.table}` : read.kind;
    });
  readOfBob();
  const back = await w.connect('bob', 'phone', 31);
  t.same(readOfBob(), ['row user'], 'a login after an orderly stop: one row');
  await w.send(await w.connect('friend-7'), '@bob', 'c2');
  t.same(readOfBob(), ['row item'], 'a message: the line of its conversation');
  t.match(seen(back).at(-1), [32, '@friend-7', 2]);
  await w.send(back, '@bob', 'note');
  t.same(readOfBob(), ['row filter', 'row item'], 'a first send: whether its client id was used, and the line');
  t.equal((await w.send(back, '@friend-3', 'own'))?.type, 'sent');
  readOfBob();
  const list = async (device: Device): Promise<unknown[]> => {
    const listed = one(await w.ask(device, { kind: 'conversations', id: 'l', limit: 100, next: undefined } as never), 'conversations');
    return listed.items.map(({ conversation, lastSeq, read, unread }) => [conversation, lastSeq, read, unread]);
  };
  const listed = await list(back);
  t.same(readOfBob(), ['row list'], 'the list: one row, too');
  t.equal(listed.length, 31);
  t.same(listed.slice(0, 2), [
    ['@bob', 1, 0, 0],
    ['@friend-7', 2, 0, 2],
  ]);
  t.same(
    listed.find((line) => (line as string[])[0] === '@friend-3'),
    ['@friend-3', 2, 1, 0],
  );
  await w.crash();
  const again = await w.connect('bob', 'phone', 33);
  t.same(readOfBob().slice(0, 2), ['row user', 'forward'], 'after a crash, what came after the snapshot too');
  t.same(await list(again), listed);
});

t.test('a packed list is relied on only where it says what the lines say', async (t) => {
  const lines = async (w: World, device: Device): Promise<readonly unknown[]> =>
    one(await w.ask(device, { kind: 'conversations', id: 'l', limit: 100, next: undefined } as never), 'conversations').items.map(
      ({ conversation, lastSeq, read, mutedUntil }) => [conversation, lastSeq, read, mutedUntil],
    );
  for (const ordered of [true, false]) {
    const w = new World({}, { ordered, durable: true });
    t.teardown(() => w.end());
    for (let i = 0; i < 5; i++) await w.send(await w.connect(`friend-${i}`), '@bob', 'c1');
    await w.restart();
    let bob = await w.connect('bob', 'phone', 5);
    await w.ask(bob, { kind: 'mute', conversation: 'bob:friend-1', until: 9e15, id: 'm' } as never);
    await w.crash();
    bob = await w.connect('bob', 'phone', 5);
    t.same((await lines(w, bob)).slice(3, 4), [['@friend-1', 1, 0, 9e15]], 'a line that was written since');
    await w.restart();
    bob = await w.connect('bob', 'phone', 5);
    w.disk.reads.splice(0);
    t.same((await lines(w, bob)).slice(3, 4), [['@friend-1', 1, 0, 9e15]]);
    t.equal(
      w.disk.reads.filter(({ kind, of }) => kind === 'rows' && of === 'bob').length,
      ordered ? 0 : 1,
      'packed anew, where that can be relied on',
    );
    await w.ask(bob, { kind: 'read', conversation: 'bob:friend-1', seq: 1, id: 'r' } as never);
    await w.pass(5000);
    await w.crash();
    bob = await w.connect('bob', 'phone', 5);
    t.same((await lines(w, bob)).slice(3, 4), [['@friend-1', 1, 1, 9e15]], 'what changed without an event');
    await w.send(await w.connect('friend-2'), '@bob', 'c2');
    await w.restart();
    bob = await w.connect('bob', 'phone', 6);
    t.same((await lines(w, bob)).slice(0, 1), [['@friend-2', 2, 0, undefined]], `ordered: ${ordered}`);
    await w.send(await w.connect('friend-3'), '@bob', 'c2');
    t.same((await lines(w, bob)).slice(0, 1), [['@friend-3', 2, 0, undefined]], 'what is in memory is newer');
    await w.crash();
    bob = await w.connect('bob', 'phone', 7);
    t.same((await lines(w, bob)).slice(0, 1), [['@friend-3', 2, 0, undefined]], 'and so is what came after');
  }
});

t.test('who lets only contacts see presence is known by them from the first moment on', async (t) => {
  const w = await world(t);
  const bob = await w.connect('bob');
  await w.send(bob, '@alice', 'c1');
  await w.ask(bob, { kind: 'settings', presence: 'contacts', id: 's' } as never);
  await w.restart();
  const alice = await w.connect('alice');
  const carol = await w.connect('carol');
  await w.connect('bob');
  const state = async (device: Device): Promise<unknown> =>
    one(await w.ask(device, { kind: 'watch', users: users('bob'), id: 'w' } as never), 'presence').state;
  t.equal(await state(alice), 'online');
  t.equal(await state(carol), 'offline');
});

t.test('a snapshot says whether events came after it; where a write’s partitions are stored apart it isn’t relied on', async (t) => {
  for (const ordered of [true, false]) {
    const w = new World({}, { ordered, durable: true });
    t.teardown(() => w.end());
    const write = w.disk.inner.write.bind(w.disk.inner);
    await w.connect('bob');
    await w.send(await w.connect('alice'), '@bob', 'c1');
    await w.restart();
    await w.connect('bob', 'phone', 1);
    // Of each write the partition of the user rows is lost.
    if (!ordered) w.disk.inner.write = (writes) => write(writes.filter((one) => one.kind !== 'put' || one.table !== 'user'));
    await w.send(await w.connect('alice'), '@bob', 'c2');
    await w.crash();
    w.disk.inner.write = write;
    const bob = await w.connect('bob', 'phone', 1);
    t.same(seen(bob), [[2, '@alice', 2, 'message']], `ordered: ${ordered}`);
    await w.send(await w.connect('alice'), '@bob', 'c3');
    t.same(seen(bob).at(-1), [3, '@alice', 3, 'message']);
  }
});

t.test(
  'while both are loaded a message writes nothing but its logs; unloaded, all of them can be read without looking further',
  async (t) => {
    const w = await world(t);
    const written: Write[][] = [];
    const write = w.disk.inner.write.bind(w.disk.inner);
    w.disk.inner.write = (writes) => {
      written.push([...writes]);
      return write(writes);
    };
    const alice = await w.connect('alice');
    const bob = await w.connect('bob');
    await w.send(alice, '@bob', 'c1');
    await w.pass(10_000);
    written.splice(0);
    await w.send(alice, '@bob', 'c2');
    t.same(
      [...new Set(written.splice(0).flatMap((writes) => writes.map(({ kind }) => kind)))],
      ['append'],
      'however often rows were derived before',
    );
    w.disconnect(alice);
    w.disconnect(bob);
    for (let minute = 0; minute < 5; minute++) await w.pass(60_000);
    t.same(w.region.stats().loaded, { user: 0, group: 0 });
    w.disk.reads.splice(0);
    await w.send(await w.connect('alice', 'phone', 2), '@bob', 'c3');
    t.same(
      w.disk.reads.filter(({ kind }) => kind === 'forward'),
      [],
    );
    t.same(await historyOf(w, 'alice', '@bob'), [1, 2, 3]);
    await w.crash();
    w.disk.reads.splice(0);
    await w.connect('alice', 'phone', 3);
    t.equal(w.disk.reads.filter(({ kind, of }) => kind === 'forward' && of === 'alice').length, 1, 'after a crash they are looked through');
  },
);

/** The seqs that a device reads back. */
async function historyOf(w: World, user: string, peer: string): Promise<readonly number[]> {
  const conversation = conversationNamed(peer, user as UserId) as ConversationId;
  const ask = { kind: 'history', id: 'h', conversation, before: undefined, after: 0, limit: 500 } as const;
  return one(await w.ask(await w.connect(user, 'reads'), ask), 'page').entries.map(({ seq }) => seq);
}

t.test('a client id is known after a crash, however far the row of its filter lags behind (acked-is-stored)', async (t) => {
  for (const count of [10, 70, 400]) {
    const w = await world(t);
    await w.connect('bob');
    let alice = await w.connect('alice');
    for (let i = 0; i < count; i++) {
      await w.send(alice, '@bob', `c${i}`);
      // Rows of one or of many ids.
      if (i % 7 === 0) await w.pass(3500);
    }
    await w.pass(3500);
    for (const life of ['after a crash', 'after another', 'after a stop']) {
      await (life === 'after a stop' ? w.restart() : w.crash());
      alice = await w.connect('alice', 'phone', count);
      for (const i of [0, 1, count - 2, count - 1]) {
        t.match(await w.send(alice, '@bob', `c${i}`), { type: 'sent', seq: i + 1, duplicate: true }, `c${i} of ${count} ${life}`);
      }
    }
    w.disk.reads.splice(0);
    const next = await w.send(alice, '@bob', 'next');
    t.match(next, { type: 'sent', seq: count + 1 });
    t.equal(w.disk.reads.filter((read) => read.kind === 'rows' && read.table === 'answered').length, 0, 'a new one is looked for nowhere');
  }
});

t.test('how old the oldest event is stands in the snapshot, so that it isn’t looked for at each activation', async (t) => {
  const w = await world(t, { inboxKeepMs: 3_600_000 });
  const looked = (): number => w.disk.reads.splice(0).filter((read) => read.kind === 'forward' && read.log === 'inbox').length;
  const wake = async (): Promise<void> => {
    w.region.tell({ kind: 'user', id: 'bob' }, { kind: 'alarm' });
    await w.settle();
  };
  await w.send(await w.connect('alice'), '@bob', 'c1');
  await w.restart();
  looked();
  await wake();
  t.equal(looked(), 0);
  w.clock.advance(2 * 3_600_000);
  await w.settle();
  looked();
  await wake();
  t.equal(looked(), 1);
  t.match(one((await w.connect('bob', 'old', 0)).frames, 'reset'), { reason: 'too-old' });
});

t.test('an acknowledgement reads nothing where the device had all before; else the events that it covers', async (t) => {
  const w = await world(t);
  const bob = await w.connect('bob');
  await w.send(await w.connect('alice'), '@bob', 'c1');
  await w.send(bob, '@carol', 'own');
  w.tell(bob, { kind: 'ack', device: bob.name, cursor: 2 } as never);
  await w.send(bob, '@carol', 'own-2');
  await w.restart();
  const listsRead = (): number => w.disk.reads.splice(0).filter(({ kind, of }) => kind === 'rows' && of === 'bob').length;
  let back = await w.connect('bob', 'phone', 3);
  w.tell(back, { kind: 'ack', device: back.name, cursor: 3 } as never);
  for (let i = 0; i < 3; i++) await w.send(back, '@carol', `own-${i + 3}`);
  w.tell(back, { kind: 'ack', device: back.name, cursor: 6 } as never);
  await w.settle();
  t.equal(listsRead(), 0, 'own entries need no looking for');
  const alice = await w.connect('alice');
  await w.send(alice, '@bob', 'c2');
  await w.restart();
  back = await w.connect('bob', 'phone', 7);
  w.tell(back, { kind: 'ack', device: back.name, cursor: 7 } as never);
  await w.pass(1000);
  t.same(
    w.disk.reads.filter(({ kind, of }) => of === 'bob' && kind !== 'row').map(({ kind }) => kind),
    ['forward'],
  );
  t.equal(await deliveredTo(w, 'bob'), 2);
});

/** How far everybody has the conversation, as its host says. */
async function receiptsOf(w: World, device: Device, conversation: string): Promise<readonly unknown[]> {
  const asked = await w.ask(device, { kind: 'receipts', conversation, id: 'r' } as never);
  return one(asked, 'receipts').members.map(({ user, delivered, read }) => [user, delivered, read]);
}

t.test('what was read just before an orderly stop is told to the others, as at any time', async (t) => {
  for (const conversation of ['@bob', '#g'] as const) {
    // Nothing else is left to write when the node stops.
    const w = new World({ receiptCoalesceMs: 60_000 }, { ordered: false, durable: true });
    t.teardown(() => w.end());
    let alice = await w.connect('alice');
    const bob = await w.connect('bob');
    if (conversation === '#g') await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob') });
    await w.send(alice, conversation, 'c1');
    w.tell(bob, { kind: 'read', conversation: conversation === '#g' ? '#g' : 'alice:bob', seq: 2, id: undefined } as never);
    await w.pass(5000);
    t.same(
      alice.frames.filter(({ type }) => type === 'receipt'),
      [],
      'not yet',
    );
    const { frames } = alice;
    await w.restart();
    t.match(frames.filter(({ type }) => type === 'receipt').at(-1), { user: 'bob', conversation, read: conversation === '#g' ? 2 : 1 });
    alice = await w.connect('alice', 'phone', 1);
    if (conversation === '@bob') t.equal(await deliveredTo(w, 'bob'), 1, 'and is known after it');
  }
});

t.test('marks that weren’t in rows yet outlive a failed write of the host', async (t) => {
  for (const conversation of ['alice:bob', '#g'] as const) {
    const w = await world(t);
    const alice = await w.connect('alice');
    const bob = await w.connect('bob');
    if (conversation === '#g') await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob') });
    const name = conversation === '#g' ? '#g' : '@bob';
    const seq = (await w.send(alice, name, 'c1')) as { seq: number };
    for (const device of [alice, bob]) w.tell(device, { kind: 'read', conversation, seq: seq.seq, id: undefined } as never);
    await w.settle();
    w.disk.failing = true;
    t.match(await w.send(alice, name, 'c2'), { type: 'error', code: 'unavailable' });
    await w.pass(5000);
    t.same(await receiptsOf(w, alice, conversation), [
      ['alice', seq.seq, seq.seq],
      ['bob', seq.seq, seq.seq],
    ]);
  }
});

/** Lets the first write fail that has a host row. */
function failHostRow(w: World): () => boolean {
  const write = w.disk.write.bind(w.disk);
  let failed = false;
  w.disk.write = (writes) => {
    if (failed || !writes.some((one) => one.kind === 'put' && one.table === 'host')) return write(writes);
    failed = true;
    return Promise.reject(new Failure('unavailable', 'the disk fails'));
  };
  return () => failed;
}

t.test('marks outlive the failed write of the snapshot that they are in', async (t) => {
  for (const conversation of ['alice:bob', '#g'] as const) {
    const w = await world(t);
    const alice = await w.connect('alice');
    const bob = await w.connect('bob');
    if (conversation === '#g') await w.submit(alice, '#g', 'g1', { kind: 'created', title: 'T', members: users('bob') });
    const { seq } = (await w.send(alice, conversation === '#g' ? '#g' : '@bob', 'c1')) as { seq: number };
    await w.pass(5000);
    for (const device of [alice, bob]) w.tell(device, { kind: 'read', conversation, seq, id: undefined } as never);
    await w.settle();
    const failed = failHostRow(w);
    await w.pass(10_000);
    t.ok(failed());
    t.same(await receiptsOf(w, alice, conversation), [
      ['alice', seq, seq],
      ['bob', seq, seq],
    ]);
  }
});

t.test('what was read is told to the others though a write fails before, or while the node stops', async (t) => {
  for (const stops of [false, true]) {
    const w = await world(t, { receiptCoalesceMs: 60_000 });
    const alice = await w.connect('alice');
    const bob = await w.connect('bob');
    await w.send(alice, '@bob', 'c1');
    await w.pass(5000);
    w.tell(bob, { kind: 'read', conversation: 'alice:bob', seq: 1, id: undefined } as never);
    const { frames } = alice;
    if (stops) {
      await w.settle();
      const failed = failHostRow(w);
      await w.restart();
      t.ok(failed());
    } else {
      await w.pass(5000);
      w.disk.failing = true;
      t.match(await w.send(alice, '@bob', 'c2'), { type: 'error' });
      await w.pass(70_000);
    }
    t.match(frames.filter(({ type }) => type === 'receipt').at(-1), { user: 'bob', read: 1 });
    t.match((await receiptsOf(w, await w.connect('alice'), 'alice:bob')).at(1), ['bob', 1, 1]);
  }
});

t.test('what was read is told though the turn that told it is lost with one before it', async (t) => {
  const w = await world(t, { receiptCoalesceMs: 10_000 });
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.send(alice, '@bob', 'c1');
  await w.pass(5000);
  w.tell(bob, { kind: 'read', conversation: 'alice:bob', seq: 1, id: undefined } as never);
  await w.pass(5000);
  const receipts = (): unknown[] => alice.frames.filter(({ type }) => type === 'receipt');
  w.tell(alice, submission(alice.user, '@bob', 'c2', message('x')));
  for (let i = 0; i < 5; i++) await turn();
  w.clock.advance(6000);
  for (let i = 0; i < 5; i++) await turn();
  t.same(receipts(), [], 'it waits for the write before it');
  w.disk.failing = true;
  await w.settle();
  t.match(receipts().at(-1), { user: 'bob', read: 1 });
});

let submitted = 0;

/** Sends all of these before any is answered. */
async function atOnce(w: World, device: Device, conversation: string, operations: readonly Operation[]): Promise<(string | undefined)[]> {
  const tags = operations.map((operation, i) => w.tell(device, submission(device.user, conversation, `op-${submitted + i}`, operation)));
  submitted += operations.length;
  await w.settle();
  return tags.map((tag) => codeOf(device.answers.get(tag)?.[0]));
}

/** A device's lines of groups. */
async function groupsOf(w: World, device: Device): Promise<readonly unknown[]> {
  const asked = await w.ask(device, { kind: 'conversations', id: 'l', limit: 100, next: undefined } as never);
  return one(asked, 'conversations').items.map(({ conversation, title, members }) => [conversation, title, members]);
}

const added = (...names: string[]): Operation => ({ kind: 'added', users: users(...names) });
const removed = (...names: string[]): Operation => ({ kind: 'removed', users: users(...names) });

t.test('members who come and go within a moment get all that is theirs (acked-is-stored)', async (t) => {
  const w = await world(t);
  const ann = await w.connect('ann');
  const dan = await w.connect('dan');
  await w.submit(ann, '#g', 'g1', { kind: 'created', title: 'T', members: users('cy') });
  const steps = [added('dan'), message('x'), removed('dan'), added('dan'), removed('dan')];
  t.same(await atOnce(w, ann, '#g', steps), ['sent', 'sent', 'sent', 'sent', 'sent']);
  t.same(
    dan.events.map(({ entry }) => entry.seq),
    [2, 3, 4, 5, 6],
  );
  const answers = await atOnce(w, ann, '#g', [added('dan'), removed('dan'), added('dan'), removed('dan'), added('dan')]);
  t.same(answers, ['sent', 'sent', 'sent', 'sent', 'unavailable'], 'of a third membership at once nobody could say what is owed');
  t.same(await atOnce(w, ann, '#g', [added('dan')]), ['sent'], 'a moment later it can');
  t.same(
    dan.events.map(({ entry }) => entry.seq),
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  );
});

t.test('a group’s line says how many members it has, whatever came together with the membership', async (t) => {
  const w = await world(t);
  const ann = await w.connect('ann');
  const dan = await w.connect('dan');
  await w.submit(ann, '#g', 'g1', { kind: 'created', title: 'T', members: users('bo') });
  await atOnce(w, ann, '#g', [added('dan'), added('eve'), added('fox'), { kind: 'renamed', title: 'U' }]);
  for (const device of [ann, dan, await w.connect('fox')]) t.same(await groupsOf(w, device), [['#g', 'U', 5]]);
  await w.crash();
  t.same(await groupsOf(w, await w.connect('dan')), [['#g', 'U', 5]]);
  t.same(await atOnce(w, await w.connect('ann'), '#g', [removed('eve')]), ['sent']);
  t.same(await groupsOf(w, await w.connect('dan')), [['#g', 'U', 4]]);
});

t.test('a group’s line that was written ahead of its snapshot isn’t set back by it', async (t) => {
  const w = await world(t);
  const ann = await w.connect('ann');
  await w.submit(ann, '#g', 'g1', { kind: 'created', title: 'old', members: users('bo') });
  await atOnce(w, ann, '#g', [{ kind: 'renamed', title: 'new' }]);
  await atOnce(w, ann, '#g', [added('cy', 'dan')]);
  await w.ask(ann, { kind: 'mute', conversation: '#g', until: 9e15, id: 'm' } as never);
  await w.crash();
  t.same(await groupsOf(w, await w.connect('ann')), [['#g', 'new', 4]]);
});

t.test('what was read is told again when it is said again, should a crash have kept only half of it', async (t) => {
  const w = await world(t);
  const alice = await w.connect('alice');
  const bob = await w.connect('bob');
  await w.send(alice, '@bob', 'c1');
  await w.pass(5000);
  const read = { kind: 'read', conversation: 'alice:bob', seq: 1, id: 'r' } as never;
  await w.ask(bob, read);
  // Muting writes bob's line, and the crash takes what the host had.
  await w.ask(bob, { kind: 'mute', conversation: 'alice:bob', until: 9e15, id: 'm' } as never);
  await w.crash();
  const again = await w.connect('bob');
  await w.ask(again, read);
  t.match((await receiptsOf(w, again, 'alice:bob')).at(1), ['bob', 1, 1]);
});

t.test('a crash that sets back only a line with the other’s watermarks is made good when the conversation is next used', async (t) => {
  const w = await world(t);
  const reader = hostOf('alice:bob' as ConversationId).id === 'alice' ? 'bob' : 'alice';
  const other = reader === 'alice' ? 'bob' : 'alice';
  const peer = async (): Promise<unknown> => {
    const list = await w.ask(await w.connect(reader), { kind: 'conversations', id: 'q', limit: 1, next: undefined } as never);
    return one(list, 'conversations').items[0]?.peer;
  };
  await w.send(await w.connect('alice'), '@bob', 'c1');
  await w.send(await w.connect('bob'), '@alice', 'c2');
  await w.pass(5000);
  const line = (await w.disk.inner.read({ kind: 'rows', table: 'item', of: reader, limit: 1 })) as readonly [Row];
  await w.ask(await w.connect(other), { kind: 'read', conversation: 'alice:bob', seq: 2, id: 'r' } as never);
  await w.pass(5000);
  t.same(await peer(), { delivered: 2, read: 2 });
  await w.crash();
  await w.disk.inner.write([{ kind: 'put', table: 'item', of: reader, ...line[0] }]);
  t.same(await peer(), { delivered: 0, read: 0 }, 'as if the host’s rows had been written and these not yet');
  const device = await w.connect(other);
  await w.ask(device, { kind: 'receipts', conversation: 'alice:bob', id: 'a' } as never);
  t.same(await peer(), { delivered: 2, read: 2 });
});

t.test('a block and its end outlive a crash, for both', async (t) => {
  const w = await world(t);
  const peerOfBob = async (): Promise<unknown> => {
    const asked = await w.ask(await w.connect('bob'), { kind: 'conversations', id: 'l', limit: 100, next: undefined } as never);
    return one(asked, 'conversations').items[0]?.peer;
  };
  await w.send(await w.connect('bob'), '@alice', 'c1');
  await w.pass(5000);
  for (const kind of ['block', 'unblock'] as const) {
    const [done] = await w.ask(await w.connect('alice'), { kind, user: 'bob', id: kind } as never);
    t.equal(done?.type, 'done');
    const before = await peerOfBob();
    t.equal(before === undefined, kind === 'block');
    await w.crash();
    t.same(await peerOfBob(), before);
  }
});

t.test('a client id is known though a read of the index failed (acked-is-stored)', async (t) => {
  const w = await world(t);
  await w.connect('bob');
  let alice = await w.connect('alice');
  for (let i = 0; i < 10; i++) await w.send(alice, '@bob', `c${i}`);
  await w.pass(5000);
  await w.crash();
  alice = await w.connect('alice', 'phone', 10);
  let failures = 1;
  w.disk.unreadable = (read) => read.kind === 'rows' && read.table === 'answered' && failures-- > 0;
  w.tell(alice, submission(alice.user, '@bob', 'n1', message('x')));
  await w.pass(5000);
  t.ok(failures < 1);
  await w.restart();
  alice = await w.connect('alice', 'phone', 11);
  for (let i = 0; i < 10; i++) t.match(await w.send(alice, '@bob', `c${i}`), { type: 'sent', seq: i + 1, duplicate: true });
});

t.test('a client id is known though the row of a filter was lost (acked-is-stored)', async (t) => {
  for (const count of [64, 340]) {
    const w = new World({}, { ordered: false, durable: true });
    t.teardown(() => w.end());
    const write = w.disk.inner.write.bind(w.disk.inner);
    await w.connect('bob');
    let alice = await w.connect('alice');
    for (let i = 0; i < count; i++) await w.send(alice, '@bob', `c${i}`);
    w.disk.inner.write = (writes) => write(writes.filter((one) => one.kind !== 'put' || one.table !== 'filter'));
    await w.pass(5000);
    await w.crash();
    w.disk.inner.write = write;
    for (const next of ['n1', 'n2']) {
      alice = await w.connect('alice', 'phone', count);
      t.match(await w.send(alice, '@bob', next), { type: 'sent' });
      t.match(await w.send(alice, '@bob', 'c3'), { type: 'sent', seq: 4, duplicate: true }, `${count}, beside ${next}`);
      await w.pass(5000);
      await w.restart();
    }
  }
});

t.test(
  'a conversation that a connected user hosts and didn’t need leaves the memory, after its row says that nothing follows',
  async (t) => {
    const w = await world(t, { hostedUnusedMax: 1 });
    const alice = await w.connect('alice');
    const bob = await w.connect('bob');
    await w.send(alice, '@bob', 'c1');
    for (let i = 0; i < 10; i++) await w.pass(10_000);
    w.disk.reads.splice(0);
    await w.send(bob, '@alice', 'c2');
    const read = w.disk.reads.filter(({ of }) => of === 'alice:bob').map(({ kind }) => kind);
    t.same(read, ['row']);
  },
);

/** How far alice sees that `peer` has their conversation. */
async function deliveredTo(w: World, peer: string): Promise<number | undefined> {
  const frames = await w.ask(await w.connect('alice', 'looking'), { kind: 'conversations', id: 'l', limit: 100, next: undefined } as never);
  return one(frames, 'conversations').items.find(({ conversation }) => conversation === `@${peer}`)?.peer?.delivered;
}

t.test('what a device acknowledges after a crash is told to the others, whatever the snapshot knew of it', async (t) => {
  const mute = async (w: World, bob: Device): Promise<void> => {
    await w.ask(bob, { kind: 'mute', conversation: 'alice:bob', until: 9e15, id: 'm' } as never);
  };
  const acknowledge = async (w: World, bob: Device): Promise<void> => {
    w.tell(bob, { kind: 'ack', device: bob.name, cursor: 2 } as never);
    await w.send(await w.connect('carol'), '@bob', 'c3');
  };
  for (const [name, meanwhile] of Object.entries({ mute, acknowledge })) {
    const w = await world(t);
    let bob = await w.connect('bob');
    await w.send(await w.connect('alice'), '@bob', 'c1');
    w.tell(bob, { kind: 'ack', device: bob.name, cursor: 1 } as never);
    await w.restart();
    bob = await w.connect('bob', 'phone', 1);
    await w.send(await w.connect('alice'), '@bob', 'c2');
    await w.pass(name === 'acknowledge' ? 4000 : 0);
    await meanwhile(w, bob);
    await w.crash();
    bob = await w.connect('bob', 'phone', 2);
    w.tell(bob, { kind: 'ack', device: bob.name, cursor: 2 } as never);
    await w.pass(1000);
    t.equal(await deliveredTo(w, 'bob'), 2, name);
  }
});

t.test('long lists and many client ids are read in pages and ranges', async (t) => {
  const w = await world(t);
  let bob = await w.connect('bob');
  for (let i = 0; i < 600; i++) {
    await w.send(bob, `@f${i}`, `id-${i}`);
    if (i % 80 === 0) await w.pass(4000);
  }
  await w.crash();
  bob = await w.connect('bob', 'phone', 600);
  await w.restart();
  bob = await w.connect('bob', 'phone', 600);
  const names = new Set<string>();
  for (let next: string | undefined, more = true; more; more = next !== undefined) {
    const page = one(await w.ask(bob, { kind: 'conversations', id: 'l', limit: 100, next } as never), 'conversations');
    for (const { conversation } of page.items) names.add(conversation);
    next = page.next;
  }
  t.equal(names.size, 600);
  t.match(await w.send(bob, '@f7', 'id-7'), { type: 'sent', duplicate: true });
});
