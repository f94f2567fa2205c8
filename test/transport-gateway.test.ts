import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { pack } from '../src/actors/entry.ts';
import { systemClock } from '../src/clock.ts';
import type { SessionAddress } from '../src/cluster/actor.ts';
import { Failure } from '../src/failure.ts';
import { silentLog } from '../src/log.ts';
import { openGateway } from '../src/transport/gateway.ts';
import { defaultGatewaySettings } from '../src/transport/settings.ts';
import { signOperatorToken } from '../src/transport/tokens.ts';
import { startGateway, type TestGateway } from './support/gateway.ts';
import { connect, type Frame, welcomed } from './support/raw-client.ts';
import { testSecret } from './support/token.ts';
import { waitUntil } from './support/wait-until.ts';

interface Answer {
  readonly status: number;
  readonly frames: readonly Frame[];
  readonly body: Frame;
  readonly headers: Headers;
}

async function call(
  gateway: TestGateway,
  path: string,
  options: RequestInit & { readonly user?: string; readonly token?: string } = {},
): Promise<Answer> {
  const { user = 'alice', token = gateway.token(user), ...rest } = options;
  const response = await fetch(`${gateway.url}${path}`, { ...rest, headers: { Authorization: `Bearer ${token}`, ...rest.headers } });
  const body = (await response.json()) as Frame & { frames?: Frame[] };
  return { status: response.status, frames: body.frames ?? [], body, headers: response.headers };
}

const post = (gateway: TestGateway, frames: unknown, user = 'alice'): Promise<Answer> =>
  call(gateway, '/v1/frames?device=browser', { method: 'POST', body: JSON.stringify(frames), user });

const poll = (gateway: TestGateway, query: string, user = 'alice', init: RequestInit = {}): Promise<Answer> =>
  call(gateway, `/v1/poll?device=browser&${query}`, { user, ...init });

const send = (clientId: string, text = clientId) => ({ type: 'send', conversation: '@bob', clientId, body: { text } });

/** The session by which a user was told a command of this kind first. */
function sessionThat({ users }: TestGateway, kind: string): SessionAddress {
  const found = users.told.find(({ command }) => command.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} was told`);
  return found.command.session;
}

/** The status with which an upgrade is refused. */
async function refusedUpgrade(wsUrl: string, subprotocols: string[] = []): Promise<number> {
  const socket = new WebSocket(wsUrl, subprotocols);
  socket.on('error', () => {});
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number; destroy(): void }];
  response.destroy();
  return response.statusCode;
}

t.test('the subprotocol chooses the encoding', async (t) => {
  const gateway = await startGateway(t);
  const chosen = async (subprotocols: string[]): Promise<string> => {
    const client = await connect(gateway.wsUrl, 'json', subprotocols);
    await client.end();
    return client.subprotocol;
  };
  t.equal(await chosen([]), '');
  t.equal(await chosen(['parley.v1.json']), 'parley.v1.json');
  t.equal(await chosen(['soap', 'parley.v1.msgpack', 'parley.v1.json']), 'parley.v1.msgpack', 'the first that is known');
  t.equal(await refusedUpgrade(gateway.wsUrl, ['soap']), 400);
  for (const encoding of ['json', 'msgpack'] as const) {
    const client = await welcomed(gateway, 'alice', { encoding, device: encoding });
    client.say({ type: 'ping', id: 'p' });
    t.match(await client.next('pong'), { id: 'p', at: Number });
    await client.end();
  }
});

t.test('a message is sent, answered, and told to others, in either encoding', async (t) => {
  const gateway = await startGateway(t);
  const alice = await welcomed(gateway, 'alice', { encoding: 'msgpack' });
  const bob = await welcomed(gateway, 'bob');
  await waitUntil('both read to the end', () => gateway.users.isLive('alice') && gateway.users.isLive('bob'));
  alice.say(send('a1', 'hé'), { ...send('a2'), id: 'i' });
  t.match(await alice.next('sent'), { clientId: 'a1', conversation: '@bob', seq: 1, lsn: 1, at: Number });
  t.match(await alice.next('sent'), { clientId: 'a2', id: 'i', lsn: 2 });
  t.match(await bob.next('event'), { lsn: 1, conversation: '@alice', from: 'alice', kind: 'message', body: { text: 'hé' } });
  alice.say(send('a1'));
  t.match(await alice.next('sent'), { clientId: 'a1', lsn: 1, duplicate: true });
  gateway.users.slow = true;
  alice.say(send('a3'));
  t.match(await alice.next('event'), { lsn: 3, clientId: 'a3' }, 'the stream does not wait for a slow member');
  gateway.users.settle();
  t.match(await alice.next('sent'), { lsn: 3, clientId: 'a3' });
});

t.test('a device that connects again replaces its older connection', async (t) => {
  const gateway = await startGateway(t);
  const first = await welcomed(gateway, 'alice');
  await welcomed(gateway, 'alice');
  t.match(await first.closed, { code: 4501 });
  t.equal(gateway.gateway.stats().connections, 1);
});

t.test('bounded: a client that reads nothing is told what it missed when it reads on', async (t) => {
  const gateway = await startGateway(t, { outboxBytesMax: 50_000, outboxResumeBytes: 10_000, readBytesMax: 1_000_000 });
  const alice = await welcomed(gateway, 'alice');
  await waitUntil('she reads to the end', () => gateway.users.isLive('alice'));
  alice.pause();
  const body = pack({ text: 'x'.repeat(10_000) });
  const count = 2_000;
  for (let i = 0; i < count; i++) {
    gateway.users.write('alice', 'bob', body);
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const unsent = (): number => gateway.gateway.stats().unsentBytes;
  await waitUntil('the socket is full', () => unsent() > 0);
  t.ok(unsent() < 1_000_000, `${unsent()} bytes are waiting, of ${count * body.length}`);
  alice.resume();
  await alice.next((frame) => frame['lsn'] === count);
  const lsns = alice.received.filter(({ type }) => type === 'event').map(({ lsn }) => lsn);
  t.same(
    lsns,
    Array.from({ length: count }, (_, i) => i + 1),
    'gap-free',
  );
  await waitUntil('nothing waits any more', () => unsent() === 0);
});

t.test('connections are refused with a status where there are too many', async (t) => {
  const few = await startGateway(t, { connectionsMax: 1 });
  const only = await connect(few.wsUrl);
  t.equal(await refusedUpgrade(few.wsUrl), 503);
  await only.end();
  await waitUntil('it is gone', () => few.gateway.stats().connections === 0);
  await (await connect(few.wsUrl)).end();

  const wary = await startGateway(t, { ratesOn: true, silentPerAddressMax: 1 });
  await connect(wary.wsUrl);
  t.equal(await refusedUpgrade(wary.wsUrl), 429);

  const slow = await startGateway(t, {
    ratesOn: true,
    rates: { ...defaultGatewaySettings.rates, connectsPerAddress: { perSecond: 1, burst: 2 } },
  });
  await connect(slow.wsUrl);
  await connect(slow.wsUrl);
  t.equal(await refusedUpgrade(slow.wsUrl), 429);
  const answer = await poll(slow, 'wait=0');
  t.equal(answer.status, 429);
  t.match(answer.body, { type: 'error', code: 'rate-limited', retryAfterMs: Number });
  t.equal(answer.headers.get('retry-after'), '1');
});

t.test('behind a proxy the address is the one that it names', async (t) => {
  const rates = { ...defaultGatewaySettings.rates, connectsPerAddress: { perSecond: 1, burst: 1 } };
  const gateway = await startGateway(t, { ratesOn: true, addressHeader: 'X-Forwarded-For', rates });
  const from = (address: string): Promise<Answer> => poll(gateway, 'wait=0', 'alice', { headers: { 'X-Forwarded-For': address } });
  t.equal((await from('10.0.0.1')).status, 200);
  t.equal((await from('10.0.0.1, 10.9.9.9')).status, 429);
  t.equal((await from('10.0.0.2')).status, 200);
});

t.test('a poll without a cursor starts from now', async (t) => {
  const gateway = await startGateway(t);
  gateway.users.write('alice', 'bob', pack({}));
  const { status, frames } = await poll(gateway, 'wait=20');
  t.equal(status, 200);
  t.match(frames, [{ type: 'welcome', user: 'alice', device: 'browser', cursor: 1, limits: { frameBytesMax: 65_536 }, node: 'node-1' }]);
  t.equal(frames.length, 1);
});

t.test('a poll with a cursor gets every event after it, those that the device posted too', async (t) => {
  const gateway = await startGateway(t);
  const posted = await post(gateway, [send('a1'), send('a2')]);
  t.match(posted.frames, [
    { type: 'sent', clientId: 'a1', lsn: 1 },
    { type: 'sent', clientId: 'a2', lsn: 2 },
  ]);
  t.match((await poll(gateway, 'cursor=0')).frames, [
    { type: 'event', lsn: 1, clientId: 'a1' },
    { type: 'event', lsn: 2 },
  ]);
  t.match((await poll(gateway, 'cursor=1')).frames, [{ type: 'event', lsn: 2 }], 'again, should the first answer be lost');
  t.same((await poll(gateway, 'cursor=2&wait=0')).frames, []);
  const waiting = poll(gateway, 'cursor=2&wait=20');
  await waitUntil('it is held, at the end', () => gateway.users.isLive('alice'));
  await post(gateway, send('a3'));
  t.match((await waiting).frames, [{ type: 'event', lsn: 3, clientId: 'a3', body: { text: 'a3' } }]);
  t.ok(
    gateway.users.told.some(({ command }) => command.kind === 'ack' && command.cursor === 2),
    'the cursor acknowledges',
  );
  t.equal(gateway.users.toldKinds().filter((kind) => kind === 'connect').length, 1, 'it stayed connected all the time');
});

t.test('a poll ends empty after its time', async (t) => {
  const gateway = await startGateway(t);
  const from = performance.now();
  t.same((await poll(gateway, 'cursor=0&wait=1')).frames, []);
  const took = performance.now() - from;
  t.ok(took > 950 && took < 3_000, `${took} ms`);
});

t.test('a second poll of a device ends the first, empty', async (t) => {
  const gateway = await startGateway(t);
  const first = poll(gateway, 'cursor=0&wait=20');
  await waitUntil('it is held', () => gateway.users.isLive('alice'));
  const second = poll(gateway, 'cursor=0&wait=20');
  t.same((await first).frames, []);
  gateway.users.write('alice', 'bob', pack({}));
  t.match((await second).frames, [{ type: 'event', lsn: 1 }]);
  const third = poll(gateway, 'cursor=1&wait=20');
  const fresh = await poll(gateway, '');
  t.same((await third).frames, []);
  t.match(fresh.frames, [{ type: 'welcome' }]);
  const held = poll(gateway, 'cursor=1&wait=20');
  await waitUntil('it is held', () => gateway.users.isLive('alice'));
  const socket = await welcomed(gateway, 'alice', { device: 'browser' });
  t.same((await held).frames, [], 'a WebSocket of the device ends it too');
  const again = poll(gateway, 'cursor=0&wait=20');
  t.match(await socket.closed, { code: 4501 }, 'and the other way round');
  t.match((await again).frames, [{ type: 'event', lsn: 1 }]);
});

t.test('a cursor that can not be used gets a reset', async (t) => {
  const gateway = await startGateway(t);
  gateway.users.write('alice', 'bob', pack({}));
  const { frames } = await poll(gateway, 'cursor=99&wait=20');
  t.match(frames, [{ type: 'reset', cursor: 1, reason: 'ahead' }]);
  t.equal(frames.length, 1);
  t.match((await poll(gateway, 'cursor=0')).frames, [{ type: 'event', lsn: 1 }], 'and goes on as the client says');
});

t.test('a device counts as connected for a while after its poll', async (t) => {
  const gateway = await startGateway(t, { pollLingerMs: 50 });
  const disconnects = (): number => gateway.users.toldKinds().filter((kind) => kind === 'disconnect').length;
  await poll(gateway, 'cursor=0&wait=0');
  t.equal(disconnects(), 0);
  t.equal(gateway.gateway.stats().polls, 1);
  await waitUntil('it is disconnected', () => disconnects() === 1);
  t.equal(gateway.gateway.stats().polls, 0);
  const left = new AbortController();
  const held = poll(gateway, 'cursor=0&wait=20', 'alice', { signal: left.signal });
  await waitUntil('it is held', () => gateway.users.isLive('alice'));
  left.abort();
  await t.rejects(held);
  await waitUntil('it is disconnected', () => disconnects() === 2);
});

t.test('what is told between two polls comes with the next', async (t) => {
  const gateway = await startGateway(t);
  await poll(gateway, 'cursor=0&wait=0');
  gateway.users.sessions.emit(sessionThat(gateway, 'connect'), 0, { type: 'typing', conversation: '@bob', user: 'bob' });
  t.match((await poll(gateway, 'cursor=0&wait=20')).frames, [{ type: 'typing', conversation: '@bob' }]);
});

t.test('posted frames are answered in their order', async (t) => {
  const gateway = await startGateway(t);
  const { status, frames } = await post(gateway, [
    { type: 'history', id: 'h', conversation: '@bob' },
    { type: 'ping', id: 'p' },
    send('a1'),
    { type: 'typing', conversation: '@bob' },
    { type: 'read', conversation: '@bob', seq: 1, id: 'r' },
    { type: 'nope', id: 'n' },
    { type: 'send', conversation: '@bob', clientId: 'a2' },
    { type: 'group.info', id: 'g', conversation: '#team' },
    { type: 'hello', token: 't', device: 'd' },
    { type: 'ack', cursor: 1 },
  ]);
  t.equal(status, 200);
  t.match(frames, [
    { type: 'page', id: 'h' },
    { type: 'pong', id: 'p' },
    { type: 'sent', clientId: 'a1' },
    { type: 'done', id: 'r' },
    { type: 'error', code: 'unknown-type', id: 'n' },
    { type: 'error', code: 'bad-field', clientId: 'a2' },
    { type: 'error', code: 'not-found', id: 'g' },
    { type: 'error', code: 'conflict' },
  ]);
  t.equal(frames.length, 8);
  t.same((await post(gateway, [])).frames, []);
  t.equal(gateway.users.toldKinds().includes('connect'), false, 'it needs no poll, and is no connection');
  t.equal(gateway.gateway.stats().requests, 0);
});

t.test('a frame without an id that fails says so', async (t) => {
  const gateway = await startGateway(t);
  gateway.users.mute.add('typing');
  const answer = post(gateway, [{ type: 'typing', conversation: '@bob' }, { type: 'ping' }]);
  await waitUntil('it was told', () => gateway.users.toldKinds().includes('typing'));
  gateway.users.sessions.emit(sessionThat(gateway, 'typing'), 1, { type: 'error', code: 'not-found', message: 'm', id: 'unnamed' });
  const { frames } = await answer;
  t.match(frames, [{ type: 'error', code: 'not-found' }, { type: 'pong' }]);
  t.notOk('id' in (frames[0] as Frame), 'its id is our own');
});

t.test('what belongs to a session is set through the poll of the device', async (t) => {
  const gateway = await startGateway(t);
  await poll(gateway, 'cursor=0&wait=0');
  const watched = await post(gateway, [{ type: 'watch', id: 'w', users: ['bob'] }, { type: 'watch', users: ['bob'] }, { type: 'ping' }]);
  t.match(watched.frames, [{ type: 'done', id: 'w' }, { type: 'pong' }]);
  t.same(sessionThat(gateway, 'watch'), sessionThat(gateway, 'connect'));
});

t.test('always-answered: a post is answered though its user is silent', async (t) => {
  const gateway = await startGateway(t, { requestTimeoutMs: 1_000 });
  gateway.users.mute.add('submit').add('history');
  const { frames } = await post(gateway, [send('a1'), { type: 'history', id: 'h', conversation: '@bob' }]);
  t.match(frames, [
    { type: 'error', code: 'timeout', clientId: 'a1' },
    { type: 'error', code: 'unavailable', id: 'h' },
  ]);
  gateway.users.mute.add('connect');
  const silent = await poll(gateway, 'cursor=0&wait=20');
  t.equal(silent.status, 503);
  t.match(silent.body, { type: 'error', code: 'unavailable' });
});

t.test('a call that is wrong gets a status and an error', async (t) => {
  const gateway = await startGateway(t);
  const cases: readonly (readonly [Promise<Answer>, number, string])[] = [
    [call(gateway, '/v1/poll?device=d', { token: 'x' }), 401, 'unauthorized'],
    [call(gateway, '/v1/poll?device=d', { headers: { Authorization: 'Basic x' } }), 401, 'unauthorized'],
    [call(gateway, '/v1/poll?device=d', { token: gateway.token('alice', -1) }), 401, 'token-expired'],
    [call(gateway, '/v1/poll'), 400, 'bad-field'],
    [call(gateway, '/v1/poll?device=a%20b'), 400, 'bad-field'],
    [call(gateway, '/v1/poll?device=d&cursor=x'), 400, 'bad-field'],
    [call(gateway, '/v1/poll?device=d&cursor=-1'), 400, 'bad-field'],
    [call(gateway, '/v1/poll?device=d&cursor=9007199254740992'), 400, 'bad-field'],
    [call(gateway, '/v1/poll?device=d&wait=61'), 400, 'bad-field'],
    [call(gateway, '/v1/poll?device=d&wait=1.5'), 400, 'bad-field'],
    [call(gateway, '/v1/frames', { method: 'POST', body: '[]' }), 400, 'bad-field'],
    [call(gateway, '/v1/frames?device=d', { method: 'POST', body: '{' }), 400, 'bad-frame'],
    [call(gateway, '/v1/frames?device=d', { method: 'POST', body: '5' }), 400, 'bad-frame'],
    [call(gateway, '/v1/frames?device=d', { method: 'POST', body: '' }), 400, 'bad-frame'],
    [call(gateway, '/v1/frames?device=d', { method: 'POST', body: '[]', token: 'x' }), 401, 'unauthorized'],
    [call(gateway, '/v1/frames?device=d', { method: 'POST', body: JSON.stringify(send('a', 'x'.repeat(70_000))) }), 413, 'too-large'],
    [call(gateway, '/v1/frames?device=d', { method: 'POST', body: `"${'x'.repeat(300_000)}"` }), 413, 'too-large'],
    [
      call(gateway, '/v1/frames?device=d', { method: 'POST', body: JSON.stringify(Array.from({ length: 257 }, () => ({ type: 'ping' }))) }),
      413,
      'too-large',
    ],
    [call(gateway, '/v1/status'), 401, 'unauthorized'],
    [call(gateway, '/nothing'), 404, 'not-found'],
    [call(gateway, '/v1/poll?device=d', { method: 'POST', body: '' }), 405, 'bad-frame'],
    [call(gateway, '/v1/ws'), 426, 'bad-frame'],
  ];
  for (const [answer, status, code] of cases) {
    const { status: found, body } = await answer;
    t.equal(found, status, code);
    t.match(body, { type: 'error', code, message: String });
  }
});

t.test('health, readiness and status', async (t) => {
  const gateway = await startGateway(t);
  t.equal((await call(gateway, '/healthz')).status, 200);
  t.equal((await call(gateway, '/readyz')).status, 200);
  gateway.notReady = 'the disk is full';
  const { status, body } = await call(gateway, '/readyz');
  t.equal(status, 503);
  t.match(body, { reason: 'the disk is full' });
  const alice = await welcomed(gateway, 'alice');
  alice.say(send('a1'));
  await alice.next('sent');
  const found = await call(gateway, '/v1/status', { token: signOperatorToken(testSecret, Date.now()) });
  t.match(found.body, { node: 'node-1', gateway: { connections: 1, sent: 1, framesIn: 2, requests: 0, sentP50Ms: Number } });
});

t.test('HEAD asks after a node without reading more; a page of another origin may poll and post', async (t) => {
  const { url } = await startGateway(t);
  for (const [path, status] of [['/healthz', 200] as const, ['/readyz', 200] as const, ['/nothing', 404] as const]) {
    const answer = await fetch(url + path, { method: 'HEAD' });
    t.equal(answer.status, status, path);
    t.equal(await answer.text(), '');
  }
  for (const [path, method] of [['/v1/poll', 'GET'] as const, ['/v1/frames', 'POST'] as const]) {
    const asked = await fetch(url + path, {
      method: 'OPTIONS',
      headers: { origin: 'https://example.org', 'access-control-request-method': method },
    });
    t.equal(asked.status, 204, path);
    t.equal(asked.headers.get('access-control-allow-origin'), '*');
    t.equal(asked.headers.get('access-control-allow-methods'), method);
    t.match(asked.headers.get('access-control-allow-headers'), /authorization/i);
  }
  t.equal((await fetch(`${url}/v1/poll?device=d`)).headers.get('access-control-allow-origin'), '*', 'a refusal can be read too');
});

t.test('work is shed before it is begun', async (t) => {
  const gateway = await startGateway(t);
  const alice = await welcomed(gateway, 'alice');
  gateway.shedding = new Failure('overloaded', 'too much', { retryAfterMs: 700 });
  alice.say(send('a1'), { type: 'ping' });
  t.match(await alice.next('error'), { code: 'overloaded', clientId: 'a1', retryAfterMs: 700 });
  await alice.next('pong');
  const answer = await poll(gateway, 'wait=0');
  t.equal(answer.status, 503);
  t.equal(answer.headers.get('retry-after'), '1');
  t.match((await post(gateway, send('a2'))).frames, [{ code: 'overloaded', clientId: 'a2' }]);
  const other = await connect(gateway.wsUrl);
  other.say({ type: 'hello', token: gateway.token('bob'), device: 'd' });
  t.match(await other.next('error'), { code: 'overloaded' });
  t.match(await other.closed, { code: 4003 });
});

t.test('a node that goes away says so, answers what it has begun, and takes no more', async (t) => {
  const gateway = await startGateway(t);
  const alice = await welcomed(gateway, 'alice');
  await waitUntil('she reads to the end', () => gateway.users.isLive('alice'));
  const held = poll(gateway, 'cursor=0&wait=20', 'bob');
  await waitUntil('bob polls', () => gateway.users.isLive('bob'));
  gateway.users.slow = true;
  alice.say(send('a1'));
  await waitUntil('it is begun', () => gateway.users.toldKinds().includes('submit'));
  const drained = gateway.gateway.drain('for a test');
  t.match(await alice.next('goaway'), { reason: 'for a test', afterMs: 20 });
  t.ok((await held).frames.some(({ type }) => type === 'goaway' || type === 'event'));
  t.equal(await refusedUpgrade(gateway.wsUrl), 503);
  t.equal((await call(gateway, '/readyz')).status, 503);
  t.equal((await post(gateway, send('b1'), 'bob')).status, 503);
  let sends = 1;
  const refused = alice.next('error');
  let isRefused = false;
  void refused.then(() => {
    isRefused = true;
  });
  await waitUntil('sends are refused', () => {
    alice.say(send(`a${++sends}`));
    return isRefused;
  });
  t.match(await refused, { code: 'unavailable', clientId: /^a[0-9]+$/, retryAfterMs: Number });
  gateway.users.settle();
  t.match(await alice.next('sent'), { clientId: 'a1' });
  t.match(await alice.closed, { code: 4000, reason: 'for a test' });
  await drained;
  t.equal(gateway.gateway.stats().connections, 0);
});

t.test('a port that is taken is refused', async (t) => {
  const gateway = await startGateway(t);
  const settings = { ...defaultGatewaySettings, host: '127.0.0.1', port: gateway.gateway.port };
  const verify = {
    user: () => {
      throw new Failure('unauthorized', 'nobody');
    },
    operator: () => {},
  };
  const nothing = { shed: () => undefined, notReady: () => undefined, status: () => ({}) };
  const again = openGateway({ settings, clock: systemClock, log: silentLog, node: 'n', tellUser: () => {}, verify, ...nothing });
  await t.rejects(again, { code: 'unavailable' });
});

t.test('bodies that never end are ended, and only so many are taken at once', async (t) => {
  const gateway = await startGateway(t, { httpBodiesMax: 3, httpBodyTimeoutMs: 300 });
  const headers = `POST /v1/frames?device=d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.token('alice')}\r\n`;
  const half = `${headers}Content-Length: 100\r\n\r\n{`;
  const ended = (text: string): Promise<string> => endOf(t, gateway.gateway.port, text);
  const bodies = [ended(half), ended(half), ended(`${headers}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`)];
  await waitUntil('no more bodies are taken', async () => (await post(gateway, [])).status === 503);
  await Promise.all(bodies);
  t.equal((await post(gateway, [])).status, 200, 'and then they are');
});

/** What came back by the time the other end closed the connection. */
async function endOf(t: Test, port: number, text: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (data) => (answer += data.toString()));
  socket.write(text);
  await once(socket, 'close');
  return answer;
}
