import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import fc from 'fast-check';
import { createSigner } from 'fast-jwt';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import type { ConfigFile } from '../src/config.ts';
import { signOperatorToken } from '../src/transport/tokens.ts';
import { startNode, type TestNode } from './support/node.ts';
import { connect, type Encoding, encode, type Frame, type RawClient, welcomed } from './support/raw-client.ts';
import { testSecret } from './support/token.ts';
import { waitUntil } from './support/wait-until.ts';

/**
 * Whatever a client does, it gets the error or the close that PROTOCOL.md names, and costs nobody else
 * anything: each test ends with two others who write to each other as if nothing had happened.
 */
const encodings: readonly Encoding[] = ['json', 'msgpack'];
let sends = 0;

/** The clients here share a process with the node, so its being late says nothing. */
const start = (t: Test, overrides: ConfigFile = {}): Promise<TestNode> => startNode(t, { runtime: { lagMaxMs: 60_000 }, ...overrides });

async function othersAreWell(t: Test, node: TestNode): Promise<void> {
  const [ann, ben] = await Promise.all([welcomed(node, 'ann'), welcomed(node, 'ben')]);
  const clientId = `well-${++sends}`;
  const from = performance.now();
  ann.say({ type: 'send', conversation: '@ben', clientId, body: { text: 'well?' } });
  await Promise.all([ann.next('sent'), ben.next((frame) => frame['clientId'] === clientId)]);
  t.ok(performance.now() - from < 2_000, 'others are well');
  await Promise.all([ann.end(), ben.end()]);
}

/** Says something wrong; expects an error and that the connection lives on. */
async function refused(t: Test, client: RawClient, message: object | string | Uint8Array, code: string, names: object = {}): Promise<void> {
  if (typeof message === 'string' || message instanceof Uint8Array) client.sayRaw(message);
  else client.say(message);
  t.match(await client.next('error'), { type: 'error', code, message: String, ...names }, code);
  client.say({ type: 'ping', id: 'alive' });
  await client.next('pong');
}

/** Says something that ends the connection, with an error before if it is one that can be told. */
async function ends(t: Test, client: RawClient, message: object | string | Uint8Array, close: number, code?: string): Promise<void> {
  if (typeof message === 'string' || message instanceof Uint8Array) client.sayRaw(message);
  else client.say(message);
  if (code !== undefined) t.match(await client.next('error'), { code, message: String });
  t.match(await client.closed, { code: close }, `close ${close}`);
}

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const send = (body: unknown): Frame => ({ type: 'send', conversation: '@ben', clientId: `h-${++sends}`, body });

t.test('messages that are no frames', async (t) => {
  const node = await start(t);
  const mallory = (encoding: Encoding): Promise<RawClient> => welcomed(node, 'mallory', { encoding });
  for (const text of [
    '',
    '{',
    'hello',
    '{"type":"ping"',
    "{'type':'ping'}",
    '5',
    'null',
    '"ping"',
    '[[{"type":"ping"}]]',
    '[5]',
    '\u0000',
  ]) {
    await ends(t, await mallory('json'), text, 4500, 'bad-frame');
  }
  for (const bytes of [
    [],
    [0xc1],
    [0x92, 0x81],
    [0x05],
    [0xc0],
    [0xd4, 0x72, 0x40, 0x90],
    [0xdf, 0xff, 0xff, 0xff, 0xff],
    [0xdd, 0xff, 0xff, 0xff, 0xff],
    [0x81, 0x01, 0x01],
  ]) {
    await ends(t, await mallory('msgpack'), new Uint8Array(bytes), 4500, 'bad-frame');
  }
  await ends(t, await mallory('msgpack'), '{"type":"ping"}', 4500, 'bad-frame');
  await ends(t, await mallory('json'), encode('msgpack', { type: 'ping' }), 4500, 'bad-frame');
  for (const encoding of encodings) {
    const client = await mallory(encoding);
    client.say([]);
    await refused(t, client, {}, 'bad-field');
    await refused(t, client, { type: 5, id: 'i' }, 'bad-field', { id: 'i' });
    for (const type of ['nope', '__proto__', 'constructor', 'hasOwnProperty', ''])
      await refused(t, client, { type, id: 'i' }, 'unknown-type', { id: 'i' });
    await client.end();
  }
  await othersAreWell(t, node);
});

t.test('frames and arrays that are too large', async (t) => {
  const node = await start(t);
  for (const encoding of encodings) {
    const client = await welcomed(node, 'mallory', { encoding });
    const long: Frame = { ...send({ text: 'x'.repeat(70_000) }), id: 'i' };
    await refused(t, client, long, 'too-large', { id: 'i', clientId: long['clientId'] });
    await refused(t, client, send({ text: 'x'.repeat(17_000) }), 'too-large');
    await refused(
      t,
      client,
      Array.from({ length: 10_000 }, () => ({ type: 'ping' })),
      'too-large',
    );
    await refused(t, client, { type: 'group.create', clientId: 'g', title: 'x'.repeat(201), members: [] }, 'too-large', { clientId: 'g' });
    const crowd = Array.from({ length: 1_001 }, (_, i) => `u${i}`);
    await refused(t, client, { type: 'group.create', clientId: 'g', title: 'x', members: crowd }, 'limit');
    await refused(t, client, { type: 'watch', users: crowd }, 'limit');
    await ends(t, client, { type: 'ping', padding: 'x'.repeat(10_000_000) }, 1009);
    await ends(
      t,
      await welcomed(node, 'mallory', { encoding }),
      Array.from({ length: 100_000 }, () => ({ type: 'ping' })),
      1009,
    );
    await ends(t, await connect(node.wsUrl, encoding), { type: 'hello', padding: 'x'.repeat(10_000_000) }, 1009);
    await ends(t, await welcomed(node, 'mallory', { encoding }), { type: 'ping', padding: 'x'.repeat(17_000_000) }, 1006);
  }
  await othersAreWell(t, node);
});

t.test('nesting that is too deep', async (t) => {
  const node = await start(t);
  const client = await welcomed(node, 'mallory');
  const sending = (body: string): string => `{"type":"send","conversation":"@ben","clientId":"d${++sends}","body":${body}}`;
  await refused(t, client, sending(nested(65)), 'too-large');
  await refused(t, client, sending(nested(10_000)), 'too-large');
  await refused(t, client, sending(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`), 'too-large');
  client.sayRaw(sending(nested(64)));
  await client.next('sent');
  client.sayRaw(`{"type":"ping","id":"p","ignored":${nested(10_000)}}`);
  await client.next('pong');
  await ends(t, client, `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 4500, 'bad-frame');
  await refused(t, await welcomed(node, 'mallory'), `[${'['.repeat(50_000)}${']'.repeat(50_000)}]`, 'too-large');
  const packed = await welcomed(node, 'mallory', { encoding: 'msgpack' });
  const deep = new Uint8Array(10_000).fill(0x91);
  const head = encode('msgpack', { type: 'send', conversation: '@ben', clientId: 'deep' }) as Uint8Array;
  const deepBody = Buffer.concat([
    new Uint8Array([0x84]),
    head.subarray(1),
    Buffer.from('\xa4body\x81\xa1a', 'latin1'),
    deep,
    new Uint8Array([0xc0]),
  ]);
  await refused(t, packed, deepBody, 'too-large', { clientId: 'deep' });
  await ends(t, packed, Buffer.concat([deep, new Uint8Array([0xc0])]), 4500, 'bad-frame');
  await othersAreWell(t, node);
});

t.test('keys, text and numbers that trick decoders', async (t) => {
  const node = await start(t);
  const client = await welcomed(node, 'mallory');
  const ben = await welcomed(node, 'ben');
  const body = {
    constructor: { prototype: { polluted: 1 } },
    prototype: 1,
    toString: 'x',
    hasOwnProperty: null,
    valueOf: [],
    toJSON: 5,
    length: -1,
  };
  client.say(send(body));
  await client.next('sent');
  t.same((await ben.next('event'))['body'], body, 'all keys but one pass as they are');
  await refused(t, client, '{"type":"send","conversation":"@ben","clientId":"p1","body":{"__proto__":{"polluted":1}}}', 'bad-field', {
    clientId: 'p1',
  });
  await refused(t, client, '{"type":"send","conversation":"@ben","clientId":"p2","body":{"a":[{"__proto__":1}]}}', 'bad-field');
  client.sayRaw('{"__proto__":{"type":"send"},"constructor":1,"type":"ping","id":"p"}');
  await client.next('pong');
  t.equal(({} as { polluted?: unknown }).polluted, undefined);
  await refused(t, client, '{"type":"send","conversation":"@ben","clientId":"s1","body":{"text":"\\ud800"}}', 'bad-field');
  await refused(t, client, '{"type":"send","conversation":"@ben","clientId":"s2","body":{"\\udc00":1}}', 'bad-field');
  await refused(t, client, '{"type":"group.create","clientId":"s3","title":"\\ud83d","members":[]}', 'bad-field');
  for (const number of ['-1', '1.5', '9007199254740992', '1e400', '"1"', 'null', 'true']) {
    await refused(t, client, `{"type":"read","conversation":"@ben","seq":${number}}`, 'bad-field');
    await refused(t, client, `{"type":"history","id":"n","conversation":"@ben","before":${number}}`, 'bad-field', { id: 'n' });
  }
  await refused(t, client, '{"type":"send","conversation":"@ben","clientId":"n1","body":{"a":1e400}}', 'bad-field');
  await ends(t, await welcomed(node, 'mallory'), '{"type":NaN}', 4500, 'bad-frame');
  const packed = await welcomed(node, 'mallory', { encoding: 'msgpack', device: 'packed' });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2n ** 60n, -(2n ** 60n), new Uint8Array([1]), new Date()]) {
    await refused(t, packed, send({ a: [value] }), 'bad-field');
    await refused(t, packed, { type: 'read', conversation: '@ben', seq: value }, 'bad-field');
  }
  const extension = Buffer.from('\x84\xa4type\xa4send\xacconversation\xa4@ben\xa8clientId\xa3ext\xa4body\x81\xa1a\xd4\x63\x00', 'latin1');
  await refused(t, packed, extension, 'bad-field', { clientId: 'ext' });
  // What is no UTF-8 at all is cut off by the WebSocket layer.
  const socket = new WebSocket(node.wsUrl);
  await once(socket, 'open');
  socket.on('error', () => {});
  socket.send(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), { binary: false });
  await once(socket, 'close');
  await Promise.all([client.end(), ben.end(), packed.end()]);
  await othersAreWell(t, node);
});

const frames: readonly Frame[] = [
  { type: 'hello', token: 't', device: 'd', cursor: 1, id: 'i' },
  { type: 'ack', cursor: 0 },
  { type: 'ping', id: 'i' },
  { type: 'send', conversation: '@ben', clientId: 'c', body: { text: 'x' }, id: 'i' },
  { type: 'history', id: 'i', conversation: '@ben', before: 5, limit: 3 },
  { type: 'history', id: 'i', conversation: '@ben', after: 5 },
  { type: 'conversations', id: 'i', limit: 3, next: 'n' },
  { type: 'read', conversation: '@ben', seq: 1, id: 'i' },
  { type: 'receipts', id: 'i', conversation: '@ben' },
  { type: 'typing', conversation: '@ben', id: 'i' },
  { type: 'watch', users: ['ben'], id: 'i' },
  { type: 'unwatch', users: ['ben'], id: 'i' },
  { type: 'presence', state: 'away', id: 'i' },
  { type: 'group.create', clientId: 'c', group: 'g', title: 't', members: ['ben'], id: 'i' },
  { type: 'group.add', clientId: 'c', conversation: '#g', users: ['ben'], id: 'i' },
  { type: 'group.remove', clientId: 'c', conversation: '#g', users: ['ben'], id: 'i' },
  { type: 'group.leave', clientId: 'c', conversation: '#g', id: 'i' },
  { type: 'group.rename', clientId: 'c', conversation: '#g', title: 't', id: 'i' },
  { type: 'group.role', clientId: 'c', conversation: '#g', user: 'ben', role: 'admin', id: 'i' },
  { type: 'group.info', id: 'i', conversation: '#g' },
  { type: 'mute', id: 'i', conversation: '@ben', until: 0 },
  { type: 'block', id: 'i', user: 'ben' },
  { type: 'unblock', id: 'i', user: 'ben' },
  { type: 'settings', id: 'i', presence: 'everyone' },
];

t.test('each field of each frame missing, of another type, too long', async (t) => {
  const node = await start(t, { rates: { on: false } });
  const wrong = [null, -1, 1.5, 2 ** 53, true, {}, [], [1], 'x'.repeat(70), '', 'a b\u0007', '@', '#'];
  for (const encoding of encodings) {
    const client = await welcomed(node, 'mallory', { encoding });
    let asked = 0;
    for (const frame of frames) {
      for (const field of Object.keys(frame).filter((name) => name !== 'id' || frame.type !== 'hello')) {
        for (const value of [undefined, ...wrong]) {
          const { [field]: _, ...rest } = frame;
          const before = client.received.length;
          client.say(value === undefined ? rest : { ...rest, [field]: value }, { type: 'ping', id: `p${++asked}` });
          await client.next((answer) => answer.type === 'pong' && answer['id'] === `p${asked}`);
          const codes = client.received
            .slice(before)
            .filter(({ type }) => type === 'error')
            .map(({ code }) => code);
          const unexpected = codes.filter((code) => ['internal', 'bad-frame', 'timeout', 'unavailable'].includes(String(code)));
          if (unexpected.length > 0) t.fail(`${JSON.stringify(frame)} with ${field} ${JSON.stringify(value)}: ${unexpected}`);
        }
      }
    }
    t.ok(asked > 800, `${asked} frames were refused or answered, and the connection lives`);
    await client.end();
  }
  await othersAreWell(t, node);
});

t.test('no hello, or not one alone', async (t) => {
  const node = await start(t, { limits: { helloTimeoutMs: 1_000 } });
  const silent = await connect(node.wsUrl);
  await ends(t, await connect(node.wsUrl), { type: 'ping' }, 4500, 'hello-first');
  await ends(t, await connect(node.wsUrl), { type: 'nope' }, 4500, 'hello-first');
  const hello = (device = 'd'): Frame => ({ type: 'hello', token: node.token('mallory'), device });
  const twice = await connect(node.wsUrl);
  twice.say(hello(), hello());
  t.match(await twice.next('error'), { code: 'bad-frame' });
  t.match(await twice.closed, { code: 4500 });
  const later = await welcomed(node, 'mallory');
  await refused(t, later, hello('other'), 'conflict');
  await later.end();
  t.match(await silent.next('error'), { code: 'hello-first' });
  t.match(await silent.closed, { code: 4500 });
  await othersAreWell(t, node);
});

t.test('tokens that are not good', async (t) => {
  const node = await start(t);
  const exp = Math.floor(Date.now() / 1000) + 60;
  const signed = (key: string, algorithm: 'HS256' | 'HS384' | 'HS512'): string => createSigner({ key, algorithm })({ sub: 'mallory', exp });
  const payload = Buffer.from(JSON.stringify({ sub: 'mallory', exp })).toString('base64url');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
  const hello = (token: string): Frame => ({ type: 'hello', token, device: 'd' });
  for (const token of [
    none,
    signed('another key', 'HS256'),
    signed(testSecret, 'HS384'),
    signed(testSecret, 'HS512'),
    'x',
    'a.b.c',
    'x'.repeat(2_000),
  ]) {
    await ends(t, await connect(node.wsUrl), hello(token), 4502, 'unauthorized');
    const answer = await fetch(`${node.url}/v1/poll?device=d`, { headers: { Authorization: `Bearer ${token}` } });
    t.equal(answer.status, 401);
    t.match(await answer.json(), { type: 'error', code: 'unauthorized' });
  }
  await ends(t, await connect(node.wsUrl), hello(node.token('mallory', -5)), 4503, 'token-expired');
  await ends(t, await connect(node.wsUrl), hello(''), 4500, 'bad-field');
  await othersAreWell(t, node);
});

/** Frames that are nearly right, which is what finds the bugs. */
const likelyValue = fc.oneof(
  fc.constantFrom(
    '@ben',
    '#g',
    '@mallory',
    'ben',
    'i',
    'c',
    0,
    1,
    5,
    -1,
    2 ** 53,
    null,
    true,
    [],
    ['ben'],
    {},
    { text: 'x' },
    'online',
    'admin',
    'nobody',
  ),
  fc.string({ maxLength: 80 }),
  fc.integer(),
  fc.jsonValue({ maxDepth: 3 }),
);
const randomFrame = fc
  .record({
    base: fc.constantFrom(...frames.filter(({ type }) => type !== 'hello')),
    changes: fc.dictionary(
      fc.constantFrom(
        'id',
        'clientId',
        'conversation',
        'body',
        'users',
        'user',
        'seq',
        'cursor',
        'limit',
        'title',
        'state',
        'until',
        'role',
        'x',
      ),
      likelyValue,
      { maxKeys: 3 },
    ),
  })
  .map(({ base, changes }) => ({ ...base, ...changes }));

t.test('20,000 random frames', { timeout: 110_000 }, async (t) => {
  const node = await start(t);
  const perEncoding = 10_000;
  const perMessage = 100;
  for (const encoding of encodings) {
    const client = await welcomed(node, 'mallory', { encoding });
    const random = fc.sample(randomFrame, { numRuns: perEncoding, seed: 7 });
    for (let at = 0; at < random.length; at += perMessage) {
      client.say(...random.slice(at, at + perMessage), { type: 'ping', id: `mark-${at}` });
      await client.next((frame) => frame['id'] === `mark-${at}`);
    }
    const codes = new Set(client.received.filter(({ type }) => type === 'error').map(({ code }) => code));
    t.ok(codes.has('bad-field'));
    t.notOk(codes.has('internal'), 'none finds a bug');
    await client.end();
  }
  t.same(node.errors, []);
  const bytes = fc.sample(fc.uint8Array({ maxLength: 64 }), { numRuns: 200, seed: 7 });
  for (const message of bytes) {
    const client = await connect(node.wsUrl, 'msgpack');
    client.sayRaw(message);
    const { code } = await client.closed;
    if (code !== 4500) t.equal(code, 4500, `${message}`);
  }
  await othersAreWell(t, node);
});

async function connectionsOf(node: TestNode): Promise<number> {
  const headers = { Authorization: `Bearer ${signOperatorToken(testSecret, Date.now())}` };
  const { gateway } = (await (await fetch(`${node.url}/v1/status`, { headers })).json()) as { gateway: { connections: number } };
  return gateway.connections;
}

t.test('a client that never reads', async (t) => {
  const node = await start(t, {
    limits: { slowMaxMs: 2_000, outboxBytesMax: 50_000, outboxResumeBytes: 10_000, outboxAnswersBytesMax: 500_000 },
  });
  const idle = await welcomed(node, 'mallory');
  const greedy = await welcomed(node, 'mallory', { device: 'greedy' });
  const ben = await welcomed(node, 'ben');
  for (const client of [idle, greedy]) client.pause();
  const text = 'x'.repeat(15_000);
  let sent = 0;
  while (sent < 600) {
    ben.say(...Array.from({ length: 16 }, () => ({ type: 'send', conversation: '@mallory', clientId: `full-${++sent}`, body: { text } })));
    greedy.say(...Array.from({ length: 16 }, () => ({ type: 'history', id: 'h', conversation: '@ben', limit: 200 })));
    for (let i = 0; i < 16; i++) await ben.next('sent');
  }
  await waitUntil('both are closed', async () => (await connectionsOf(node)) === 1, 20_000);
  for (const client of [idle, greedy]) client.resume();
  for (const client of [idle, greedy]) t.match(await client.closed, { code: 4001 });
  await ben.end();
  await othersAreWell(t, node);
});

t.test('one that opens connections and says nothing', async (t) => {
  const node = await start(t, { rates: { on: true }, limits: { helloTimeoutMs: 1_000, silentPerAddressMax: 50 } });
  const opened: WebSocket[] = [];
  let refusals = 0;
  for (let i = 0; i < 60; i++) {
    const socket = new WebSocket(node.wsUrl);
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, response) => {
      if (response.statusCode === 429) refusals++;
      socket.terminate();
    });
    opened.push(socket);
  }
  await waitUntil('the rest is refused', () => refusals === 10);
  await waitUntil('all are closed', () =>
    opened.every(({ readyState }) => readyState !== WebSocket.OPEN && readyState !== WebSocket.CONNECTING),
  );
  await othersAreWell(t, node);
});

t.test('HTTP requests that never end', { timeout: 60_000 }, async (t) => {
  const node = await start(t);
  const { port } = new URL(node.url);
  const token = node.token('mallory');
  const head = `POST /v1/frames?device=d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`;
  const requests: Readonly<Record<string, string>> = {
    nothing: '',
    'half a line': 'GET /v1/po',
    'half a header': 'GET /v1/poll HTTP/1.1\r\nHost: x\r\nX-',
    'no body': `${head}Content-Length: 100\r\n\r\n`,
    'half a body': `${head}Content-Length: 100\r\n\r\n[`,
    'half a chunk': `${head}Transfer-Encoding: chunked\r\n\r\nff\r\n[`,
    'a body that drips': `${head}Content-Length: 1000\r\n\r\n[`,
    'a header that drips': 'GET / HTTP/1.1\r\nX-',
  };
  const from = performance.now();
  const ended = Object.entries(requests).map(async ([what, text]) => {
    const socket = connectTcp(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'connect');
    socket.write(text);
    const drip = setInterval(() => what.endsWith('drips') && socket.write('x'), 500);
    await once(socket, 'close');
    clearInterval(drip);
    return what;
  });
  await othersAreWell(t, node);
  for (const what of await Promise.all(ended)) t.ok(performance.now() - from < 20_000, what);
  const large = await fetch(`${node.url}/v1/frames?device=d`, {
    method: 'POST',
    body: 'x'.repeat(1_000_000),
    headers: { Authorization: `Bearer ${token}` },
  }).catch(() => undefined);
  if (large !== undefined) t.equal(large.status, 413);
  await othersAreWell(t, node);
});
