import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { waitMs } from '../src/client/backoff.ts';
import { type Client, connect } from '../src/client/client.ts';
import type { EventFrame } from '../src/client/frames.ts';
import type { ConnectOptions, Problem } from '../src/client/options.ts';
import { Failure } from '../src/failure.ts';
import { event, type FakeConnection, type FakeServer, type Frame, startFakeServer } from './support/fake-server.ts';

const quick = { firstMs: 1, maxMs: 5 };

interface Met {
  readonly server: FakeServer;
  readonly client: Client;
  readonly first: FakeConnection;
  readonly events: EventFrame[];
  readonly problems: Problem[];
  /** Resolves when so many events were handled. */
  handled(count: number): Promise<void>;
}

/** A client of a fake server, both gone at the end of the test. */
async function meet(t: Test, options: Partial<ConnectOptions> = {}): Promise<Met> {
  const server = await startFakeServer();
  const events: EventFrame[] = [];
  const problems: Problem[] = [];
  const waits: { readonly count: number; readonly resolve: () => void }[] = [];
  const client = connect({
    url: server.url,
    token: 'token',
    device: 'phone',
    WebSocket,
    backoff: quick,
    ...options,
    on: {
      problem: (problem) => problems.push(problem),
      event(event) {
        events.push(event);
        for (const wait of waits) if (events.length >= wait.count) wait.resolve();
      },
      ...options.on,
    },
  });
  t.teardown(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  });
  const handled = (count: number): Promise<void> =>
    events.length >= count ? Promise.resolve() : new Promise((resolve) => waits.push({ count, resolve }));
  return { server, client, first: await server.connection(), events, problems, handled };
}

const sent = (send: Frame, lsn: number, fields: object = {}): Frame => ({
  type: 'sent',
  clientId: send.clientId,
  conversation: send.conversation ?? '#made',
  seq: lsn,
  lsn,
  at: 7,
  ...fields,
});
const refusal = (send: Frame, code: string, fields: object = {}): Frame => ({
  type: 'error',
  code,
  message: code,
  clientId: send.clientId,
  ...fields,
});

for (const codec of ['json', 'msgpack'] as const) {
  t.test(`in ${codec}, it says hello, hears events and sends`, async (t) => {
    const { client, first, events, handled } = await meet(t, { codec, cursor: 4 });
    t.equal(first.subprotocol, `parley.v1.${codec}`);
    t.same(await first.welcome(), { type: 'hello', token: 'token', device: 'phone', cursor: 4 });
    t.equal((await client.ready).user, 'alice');
    first.sayTogether([event(5), event(6)]);
    await handled(2);
    t.equal(events[1]?.body?.text, 'text 6');
    const answer = client.send('@bob', { text: 'hi' }, { clientId: 'a1' });
    const send = await first.next('send');
    t.same(send, { type: 'send', clientId: 'a1', conversation: '@bob', body: { text: 'hi' } });
    first.say(sent(send, 7));
    t.match(await answer, { seq: 7, lsn: 7, at: 7 });
    t.equal(client.cursor, 7);
  });
}

t.test('without a cursor it starts from now and afterwards resumes from there', async (t) => {
  const { server, client, first } = await meet(t);
  t.notOk('cursor' in (await first.welcome({ cursor: 10 })));
  await client.ready;
  t.equal(client.cursor, 10);
  first.cut();
  const second = await server.connection();
  t.equal((await second.welcome()).cursor, 10);
});

t.test('it reconnects with its cursor and takes each event once', async (t) => {
  const { server, first, events, problems, handled } = await meet(t, { cursor: 0 });
  await first.welcome();
  first.say(event(1), event(2));
  await handled(2);
  first.cut();
  const second = await server.connection();
  t.equal((await second.welcome()).cursor, 2);
  second.say(event(1), event(2), event(3));
  await handled(3);
  t.same(
    events.map((event) => event.lsn),
    [1, 2, 3],
  );
  t.match(problems, [{ kind: 'closed', code: 1006 }]);
});

t.test('what has no answer is sent again, in order, under the same client ids', async (t) => {
  const { server, client, first } = await meet(t, { cursor: 0, order: 'loose' });
  await first.welcome();
  const answers = ['a1', 'a2', 'a3'].map((clientId) => client.send('@bob', { text: clientId }, { clientId }));
  const one = await first.next('send');
  await first.next('send');
  await first.next('send');
  first.say(sent(one, 1));
  await answers[0];
  first.cut();
  const second = await server.connection();
  await second.welcome();
  const again = [await second.next('send'), await second.next('send')];
  t.same(
    again.map((frame) => frame.clientId),
    ['a2', 'a3'],
  );
  second.say(event(2, { from: 'alice', clientId: 'a2' }), sent(again[0] as Frame, 2, { duplicate: true }), sent(again[1] as Frame, 3));
  t.match(await answers[1], { seq: 2, duplicate: true });
  t.match(await answers[2], { seq: 3 });
  t.equal(client.cursor, 3);
});

t.test('a send made while offline goes out when there is a connection', async (t) => {
  const { client, first } = await meet(t);
  const answer = client.send('@bob', { text: 'early' });
  await first.welcome();
  const send = await first.next('send');
  t.match(send.clientId as string, /^[0-9a-v]{20}$/);
  first.say(sent(send, 1));
  t.match(await answer, { seq: 1 });
});

t.test('kept order: a submission waits for the one before it in its conversation, and only there', async (t) => {
  const { client, first } = await meet(t, { cursor: 0, random: () => 0 });
  await first.welcome();
  const one = client.send('@bob', { text: '1' }, { clientId: 'b1' });
  const two = client.send('@bob', { text: '2' }, { clientId: 'b2' });
  const other = client.send('@carol', { text: '1' }, { clientId: 'c1' });
  t.same([(await first.next('send')).clientId, (await first.next('send')).clientId], ['b1', 'c1']);
  first.say(refusal({ type: 'send', clientId: 'b1' }, 'overloaded', { retryAfterMs: 1 }));
  const again = await first.next('send');
  t.equal(again.clientId, 'b1', 'the refused one goes first');
  first.say(sent(again, 1), sent({ type: 'send', clientId: 'c1', conversation: '@carol' }, 2, { seq: 1 }));
  await Promise.all([one, other]);
  const last = await first.next('send');
  t.equal(last.clientId, 'b2');
  first.say(sent(last, 3));
  await two;
});

t.test('an error that is final rejects with its code', async (t) => {
  const { client, first } = await meet(t);
  await first.welcome();
  for (const code of ['forbidden', 'conflict', 'a-code-of-the-future']) {
    const answer = client.send('@bob', { text: 'hi' });
    first.say(refusal(await first.next('send'), code));
    const thrown = await answer.catch((thrown: unknown) => thrown);
    t.ok(thrown instanceof Failure);
    t.equal((thrown as Failure).code, code);
  }
});

for (const code of ['rate-limited', 'overloaded', 'unavailable', 'timeout', 'internal']) {
  t.test(`after ${code} it sends again under the same client id`, async (t) => {
    const { client, first } = await meet(t, { cursor: 0, random: () => 0 });
    await first.welcome();
    const answer = client.send('@bob', { text: 'hi' }, { clientId: 'a1' });
    first.say(refusal(await first.next('send'), code, { retryAfterMs: 1 }));
    const again = await first.next('send');
    t.equal(again.clientId, 'a1');
    first.say(sent(again, 1));
    t.match(await answer, { seq: 1 });
  });
}

t.test('it waits as long as the server asked before it sends again', async (t) => {
  const { client, first } = await meet(t, { random: () => 0 });
  await first.welcome();
  const answer = client.send('@bob', { text: 'hi' });
  const send = await first.next('send');
  const refusedAt = performance.now();
  first.say(refusal(send, 'overloaded', { retryAfterMs: 60 }));
  first.say(sent(await first.next('send'), 1));
  t.ok(performance.now() - refusedAt >= 59);
  await answer;
});

t.test('a send without an answer ends as timeout, and is free to be sent again', async (t) => {
  const { client, first, events, server, handled } = await meet(t, { cursor: 0 });
  await first.welcome();
  // Long enough for the frame to leave first, however slow the machine.
  const givenUp = t.rejects(client.send('@bob', { text: 'hi' }, { clientId: 'a1', timeoutMs: 500 }), { code: 'timeout' });
  const send = await first.next('send');
  await givenUp;
  first.say(sent(send, 1)); // in its turn, but nobody knows its body any more
  const second = await server.connection();
  t.equal((await second.welcome()).cursor, 0, 'so the next connection tells the event');
  second.say(event(1, { from: 'alice', clientId: 'a1', body: { text: 'hi' } }));
  await handled(1);
  t.match(events, [{ lsn: 1, body: { text: 'hi' } }]);
  const again = client.send('@bob', { text: 'hi' }, { clientId: 'a1' });
  second.say(sent(await second.next('send'), 1, { duplicate: true }));
  t.match(await again, { seq: 1, duplicate: true });
});

t.test('the same client id while unanswered is the same send', async (t) => {
  const { client, first } = await meet(t, { cursor: 0 });
  await first.welcome();
  const answers = [client.send('@bob', {}, { clientId: 'a1' }), client.send('@bob', {}, { clientId: 'a1' })];
  first.say(sent(await first.next('send'), 1));
  t.match(await Promise.all(answers), [{ seq: 1 }, { seq: 1 }]);
  t.equal(first.received.filter((frame) => frame.type === 'send').length, 1);
});

t.test('no more than the bound are unanswered; one more is refused at once', async (t) => {
  const { client, first } = await meet(t, { pendingMax: 2, order: 'loose' });
  await first.welcome();
  const held = [client.send('@bob', {}), client.history('@bob')].map((ask) => ask.catch((thrown: Failure) => thrown.code));
  await t.rejects(client.send('@bob', {}), { code: 'overloaded' });
  await client.close();
  t.same(await Promise.all(held), ['timeout', 'timeout'], 'and closing leaves nobody waiting');
});

t.test('a frame over the limit of the server is refused here', async (t) => {
  const { client, first } = await meet(t);
  await first.welcome({ limits: { frameBytesMax: 100 } });
  await client.ready;
  await t.rejects(client.send('@bob', { text: 'x'.repeat(100) }), { code: 'too-large' });
});

t.test('one’s own entry comes as an event with its body, whichever frame told it', async (t) => {
  const { client, first, events } = await meet(t, { cursor: 0, order: 'loose' });
  await first.welcome();
  const inTurn = client.send('@bob', { text: 'one' }, { clientId: 'a1' });
  const late = client.send('@bob', { text: 'two' }, { clientId: 'a2' });
  const named = client.renameGroup('#team', 'Team', { clientId: 'a3' });
  const [one, two] = [await first.next('send'), await first.next('send')];
  first.say(
    sent(one, 1),
    event(2, { from: 'alice', clientId: 'a2', body: undefined }),
    event(3),
    sent(two, 2),
    sent(await first.next('group.rename'), 4, { seq: 9 }),
    sent(one, 1, { duplicate: true }),
  );
  await Promise.all([inTurn, late, named]);
  t.match(events, [
    { lsn: 1, from: 'alice', kind: 'message', clientId: 'a1', body: { text: 'one' } },
    { lsn: 2, from: 'alice', clientId: 'a2', body: { text: 'two' } },
    { lsn: 3, from: 'bob' },
    { lsn: 4, from: 'alice', conversation: '#team', seq: 9, kind: 'renamed' },
  ]);
  t.notOk('body' in (events[3] ?? {}));
  t.equal(events.length, 4);
});

t.test('a gap is reported, and healed by a new connection', async (t) => {
  const { server, first, events, problems, handled } = await meet(t, { cursor: 0 });
  await first.welcome();
  first.say(event(1), event(3), event(4));
  await first.closed;
  const second = await server.connection();
  t.equal((await second.welcome()).cursor, 1);
  second.say(event(2), event(3));
  await handled(3);
  t.same(
    events.map((event) => event.lsn),
    [1, 2, 3],
  );
  t.match(problems[0], { kind: 'gap', expected: 2, got: 3 });
});

t.test('acknowledgements', async (t) => {
  t.test('go out every 64 events', async (t) => {
    const { first } = await meet(t, { cursor: 0 });
    await first.welcome();
    first.sayTogether(Array.from({ length: 130 }, (_, index) => event(index + 1)));
    t.same(
      [await first.next('ack'), await first.next('ack')],
      [
        { type: 'ack', cursor: 64 },
        { type: 'ack', cursor: 128 },
      ],
    );
  });
  t.test('go out within a second, when there are fewer', async (t) => {
    const { first } = await meet(t, { cursor: 0 });
    await first.welcome();
    first.say(event(1), event(2));
    t.same(await first.next('ack'), { type: 'ack', cursor: 2 });
  });
  t.test('go out when the client closes', async (t) => {
    const { client, first, handled } = await meet(t, { cursor: 0 });
    await first.welcome();
    first.say(event(1));
    await handled(1);
    const ack = first.next('ack');
    await client.close();
    t.same(await ack, { type: 'ack', cursor: 1 });
  });
  t.test('wait for the handler to be done', async (t) => {
    let release = (): void => {};
    const saving = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { server, client, first } = await meet(t, { cursor: 0, on: { event: () => saving } });
    await first.welcome();
    first.say(event(1));
    first.cut();
    const second = await server.connection();
    t.equal((await second.welcome()).cursor, 0, 'not even a reconnect acknowledges it');
    release();
    t.same(await second.next('ack'), { type: 'ack', cursor: 1 });
    t.equal(client.cursor, 1);
  });
});

t.test('events that wait for the handler are bounded: it disconnects and reads on when half are done', async (t) => {
  const releases: (() => void)[] = [];
  const lsns: number[] = [];
  const { server, first } = await meet(t, {
    cursor: 0,
    eventsWaitingMax: 4,
    on: {
      event(event) {
        lsns.push(event.lsn);
        return new Promise((resolve) => releases.push(resolve));
      },
    },
  });
  await first.welcome();
  first.sayTogether(Array.from({ length: 9 }, (_, index) => event(index + 1)));
  await first.closed;
  const reconnected = server.connection();
  while (releases.length > 0) {
    releases.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const second = await reconnected;
  const { cursor } = await second.welcome();
  second.sayTogether(Array.from({ length: 9 - (cursor as number) }, (_, index) => event((cursor as number) + index + 1)));
  while (lsns.length < 9) {
    releases.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.same(lsns, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

t.test('a handler that throws ends the client, because an event was not taken', async (t) => {
  const { client, first } = await meet(t, {
    cursor: 0,
    on: {
      event() {
        throw new Error('disk full');
      },
    },
  });
  await first.welcome();
  first.say(event(1));
  t.match(await client.ended, { code: 'internal', cause: { message: 'disk full' } });
  t.equal(client.cursor, 0);
  await t.rejects(client.send('@bob', {}), { code: 'internal' });
});

t.test('after a reset it goes on from the new cursor', async (t) => {
  const resets: unknown[] = [];
  const { server, client, first, handled } = await meet(t, { cursor: 50, on: { reset: (reset) => void resets.push(reset) } });
  await first.welcome({ cursor: 7 });
  first.say({ type: 'reset', cursor: 7, reason: 'ahead' }, event(8));
  await handled(1);
  t.match(resets, [{ cursor: 7, reason: 'ahead' }]);
  t.equal(client.cursor, 8);
  t.same(await first.next('ack'), { type: 'ack', cursor: 8 });
  first.cut();
  t.equal((await (await server.connection()).welcome()).cursor, 8);
});

t.test('close codes', async (t) => {
  for (const code of [1000, 1001, 4000, 4001, 4002, 4003, 4499]) {
    t.test(`${code} means connect again`, async (t) => {
      const { server, first } = await meet(t);
      await first.welcome();
      first.close(code);
      await (await server.connection()).welcome();
    });
  }
  for (const [code, failure] of [
    [4500, 'bad-frame'],
    [4501, 'conflict'],
    [4502, 'unauthorized'],
    [4503, 'token-expired'],
    [4504, 'forbidden'],
    [4505, 'limit'],
    [4999, 'forbidden'],
  ] as const) {
    t.test(`${code} means stop`, async (t) => {
      const { server, client, first } = await meet(t);
      const answer = client.send('@bob', {}).catch((thrown: Failure) => thrown.code);
      first.close(code, 'because');
      t.match(await client.ended, { code: failure, message: /because/ });
      await t.rejects(client.ready, { code: failure });
      t.equal(await answer, failure);
      t.equal(client.state, 'ended');
      t.equal(server.count, 1);
    });
  }
  t.test('4503 means connect with a new token, where the client can get one', async (t) => {
    let tokens = 0;
    const { server, first } = await meet(t, { token: async () => `token ${++tokens}` });
    t.equal((await first.next('hello')).token, 'token 1');
    first.say({ type: 'error', code: 'token-expired', message: 'get a new one' });
    first.close(4503);
    t.equal((await (await server.connection()).welcome()).token, 'token 2');
  });
});

t.test('a token that can’t be had is asked for again', async (t) => {
  let asked = 0;
  const { first, problems } = await meet(t, {
    token() {
      asked += 1;
      if (asked === 1) throw new Error('no network');
      return 'late';
    },
  });
  t.equal((await first.welcome()).token, 'late');
  t.match(problems, [{ kind: 'token', thrown: { message: 'no network' } }]);
});

t.test('goaway: it goes where the server says, once', async (t) => {
  const { server, first } = await meet(t);
  await first.welcome();
  first.say({ type: 'goaway', reason: 'draining', afterMs: 10, url: `${server.url}?node=2` });
  await first.closed;
  const second = await server.connection();
  t.equal(second.path, '/v1/ws?node=2');
  await second.welcome();
  second.cut();
  t.equal((await server.connection()).path, '/v1/ws');
});

t.test('a server that falls silent is pinged, then left', async (t) => {
  const { server, first } = await meet(t, { quietMs: 20 });
  await first.welcome();
  first.say({ type: 'pong', at: 1, id: (await first.next('ping')).id });
  await first.next('ping');
  await first.closed;
  await (await server.connection()).welcome();
});

t.test('a server that never says welcome is left', async (t) => {
  const { server, first } = await meet(t, { openTimeoutMs: 20 });
  await first.next('hello');
  await (await server.connection()).welcome();
});

t.test('a message that is no frame costs the connection, an unknown frame costs nothing', async (t) => {
  const { server, first, handled, problems } = await meet(t, { cursor: 0 });
  await first.welcome();
  first.say({ type: 'of-the-future' }, event(1));
  await handled(1);
  t.same(problems, []);
  first.sayRaw('{"no":"type"}');
  await first.closed;
  t.equal((await (await server.connection()).welcome()).cursor, 1);
});

t.test('requests find their answers by id, and are asked again after a reconnect', async (t) => {
  const { server, client, first } = await meet(t);
  await first.welcome();
  const page = client.history('@bob', { before: 10, limit: 5 });
  const group = client.groupInfo('#team');
  const [askedPage, askedGroup] = [await first.next('history'), await first.next('group.info')];
  t.match(askedPage, { conversation: '@bob', before: 10, limit: 5 });
  first.say({ type: 'group', id: askedGroup.id, conversation: '#team', title: 'Team', members: [] });
  t.match(await group, { title: 'Team' });
  first.cut();
  const second = await server.connection();
  await second.welcome();
  const again = await second.next('history');
  second.say({ type: 'page', id: again.id, conversation: '@bob', entries: [], more: false });
  t.match(await page, { more: false });
});

t.test('every request has its frame', async (t) => {
  const { client, first } = await meet(t);
  await first.welcome();
  await client.ready;
  const answerNext = async (type: string, answer: object): Promise<Frame> => {
    const { id, ...frame } = await first.next(type);
    first.say({ ...answer, id } as unknown as Frame);
    return frame as unknown as Frame;
  };
  const done = { type: 'done' };
  const cases: readonly (readonly [Promise<unknown>, object, object])[] = [
    [client.conversations({ limit: 5, next: 'n' }), { type: 'conversations', limit: 5, next: 'n' }, { type: 'conversations', items: [] }],
    [client.receipts('#team'), { type: 'receipts', conversation: '#team' }, { type: 'receipts', conversation: '#team', members: [] }],
    [client.read('@bob', 3), { type: 'read', conversation: '@bob', seq: 3 }, done],
    [client.mute('@bob', 0), { type: 'mute', conversation: '@bob', until: 0 }, done],
    [client.block('bob'), { type: 'block', user: 'bob' }, done],
    [client.unblock('bob'), { type: 'unblock', user: 'bob' }, done],
    [client.settings({ presence: 'contacts' }), { type: 'settings', presence: 'contacts' }, done],
    [client.watch(['bob', 'carol']), { type: 'watch', users: ['bob', 'carol'] }, done],
    [client.unwatch(['carol']), { type: 'unwatch', users: ['carol'] }, done],
    [client.presence('away'), { type: 'presence', state: 'away' }, done],
  ];
  for (const [promise, frame, answer] of cases) {
    t.same(await answerNext((frame as Frame).type, answer), frame);
    await promise;
  }
  client.typing('@bob');
  t.same(await first.next('typing'), { type: 'typing', conversation: '@bob' });
  const submissions: readonly (readonly [Promise<unknown>, object])[] = [
    [client.createGroup({ title: 'T', members: ['bob'] }), { type: 'group.create', title: 'T', members: ['bob'] }],
    [client.addMembers('#a', ['bob']), { type: 'group.add', conversation: '#a', users: ['bob'] }],
    [client.removeMembers('#b', ['bob']), { type: 'group.remove', conversation: '#b', users: ['bob'] }],
    [client.setRole('#c', 'bob', 'admin'), { type: 'group.role', conversation: '#c', user: 'bob', role: 'admin' }],
    [client.leaveGroup('#d'), { type: 'group.leave', conversation: '#d' }],
  ];
  for (const [index, [promise, frame]] of submissions.entries()) {
    const { clientId, ...asked } = await first.next((frame as Frame).type);
    t.same(asked, frame);
    first.say(sent({ ...asked, clientId } as unknown as Frame, index + 1));
    await promise;
  }
});

t.test('watches and the device’s state are said again on each new connection', async (t) => {
  const { server, client, first } = await meet(t);
  await first.welcome();
  await client.ready;
  for (const [ask, type] of [
    [client.watch(['bob', 'carol']), 'watch'],
    [client.unwatch(['carol']), 'unwatch'],
    [client.presence('away'), 'presence'],
  ] as const) {
    first.say({ type: 'done', id: (await first.next(type)).id });
    await ask;
  }
  first.cut();
  const second = await server.connection();
  await second.welcome();
  t.match(await second.next('presence'), { state: 'away' });
  t.same((await second.next('watch')).users, ['bob']);
});

t.test('what isn’t an event goes to its handler, and an error that belongs to nothing is a problem', async (t) => {
  const told: unknown[] = [];
  const tell = (frame: unknown): void => void told.push(frame);
  const { first, problems, handled } = await meet(t, { cursor: 0, on: { receipt: tell, typing: tell, presence: tell } });
  await first.welcome();
  const frames: readonly Frame[] = [
    { type: 'receipt', conversation: '@bob', user: 'bob', delivered: 1, read: 1 },
    { type: 'typing', conversation: '@bob', user: 'bob' },
    { type: 'presence', user: 'bob', state: 'offline', lastSeen: 5 },
  ];
  first.say(...frames, { type: 'error', code: 'rate-limited', message: 'slower' }, event(1));
  await handled(1);
  t.same(told, frames);
  t.match(problems, [{ kind: 'error', failure: { code: 'rate-limited' } }]);
});

t.test('a closed client is quiet: nothing is handed over, nothing connects', async (t) => {
  const states: string[] = [];
  const { server, client, first, events } = await meet(t, { cursor: 0, on: { state: (state) => states.push(state) } });
  await first.welcome();
  await client.ready;
  await client.close();
  await first.closed;
  first.say(event(1));
  t.equal(await client.ended, undefined);
  t.same(events, []);
  t.equal(server.count, 1);
  t.same(states, ['live', 'ended']);
});

t.test('a URL that is none ends the client with the reason', async (t) => {
  const client = connect({ url: 'nonsense', token: 't', device: 'd', WebSocket });
  t.match(await client.ended, { code: 'internal', cause: Error });
});

t.test('waits grow by doubling, up to a bound, and are drawn from zero on', async (t) => {
  const backoff = { firstMs: 500, maxMs: 30_000 };
  t.same(
    [0, 1, 2, 5, 6, 1_000].map((failures) => waitMs(backoff, failures, () => 1)),
    [500, 1_000, 2_000, 16_000, 30_000, 30_000],
  );
  t.equal(
    waitMs(backoff, 6, () => 0),
    0,
  );
});
