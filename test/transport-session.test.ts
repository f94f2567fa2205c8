import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { batchOf, pack, packEntry } from '../src/actors/entry.ts';
import type { ServerFrame, SessionCommand } from '../src/actors/messages.ts';
import { Failure } from '../src/failure.ts';
import type { ClientId, ConversationId, DeviceId, UserId } from '../src/ids.ts';
import { silentLog } from '../src/log.ts';
import { json } from '../src/transport/json.ts';
import { Measures } from '../src/transport/measures.ts';
import type { Socket } from '../src/transport/outbox.ts';
import { Peers } from '../src/transport/peers.ts';
import { Rates } from '../src/transport/rates.ts';
import { Registry } from '../src/transport/registry.ts';
import { RequestWindow } from '../src/transport/request-window.ts';
import { Session } from '../src/transport/session.ts';
import { defaultGatewaySettings, type GatewaySettings } from '../src/transport/settings.ts';
import type { Surroundings } from '../src/transport/surroundings.ts';
import { Turns } from '../src/transport/turns.ts';
import { ManualClock } from './support/manual-clock.ts';
import type { Frame } from './support/raw-client.ts';

/** A socket that takes everything, until it is told to take no more. */
class FakeSocket implements Socket {
  readonly frames: Frame[] = [];
  messages = 0;
  pings = 0;
  closed: number | undefined;
  full = false;
  buffered = 0;
  session: Session | undefined;

  send(message: unknown): number {
    this.messages++;
    const value = JSON.parse(message as string) as Frame | Frame[];
    this.frames.push(...[value].flat());
    if (!this.full) return 1;
    this.buffered += (message as string).length;
    return 0;
  }

  getBufferedAmount(): number {
    return this.buffered;
  }

  ping(): number {
    this.pings++;
    return 1;
  }

  end(code?: number): void {
    this.closed = code;
    this.session?.gone();
  }

  close(): void {
    this.end(1006);
  }

  /** The client reads on. */
  drain(): void {
    this.full = false;
    this.buffered = 0;
    this.session?.drained();
  }
}

class World {
  readonly clock = new ManualClock();
  readonly told: SessionCommand[] = [];
  readonly around: Surroundings;
  readonly socket = new FakeSocket();
  readonly session: Session;
  shedding: Failure | undefined;
  failing: Failure | undefined;

  constructor(overrides: Partial<GatewaySettings> = {}) {
    const settings = { ...defaultGatewaySettings, ...overrides };
    const { clock } = this;
    this.around = {
      settings,
      clock,
      log: silentLog,
      node: 'node-1',
      tellUser: (_user, command) => {
        if (this.failing !== undefined) throw this.failing;
        this.told.push(command);
      },
      verify: {
        user(token) {
          if (token === 'bad') throw new Failure('unauthorized', 'bad');
          if (token === 'old') throw new Failure('token-expired', 'old');
          return { user: token as UserId, expiresAt: clock.now() + 3_600_000 };
        },
        operator() {},
      },
      shed: () => this.shedding,
      rates: new Rates(settings.ratesOn ? settings.rates : undefined, settings.bucketsMax),
      peers: new Peers(settings),
      registry: new Registry('node-1'),
      requests: new RequestWindow(settings, clock.monotonic()),
      turns: new Turns(clock, silentLog, () => json.rest()),
      measures: new Measures(),
      backlog: { bytes: 0 },
      limits: { some: 'limits' },
    };
    const peer = this.around.peers.open('here');
    if (typeof peer === 'string') throw new Error(peer);
    this.session = new Session(this.around, json, peer);
    this.socket.session = this.session;
    this.session.opened(this.socket);
  }

  say(...frames: readonly object[]): void {
    this.sayRaw(JSON.stringify(frames.length === 1 ? frames[0] : frames));
  }

  sayRaw(message: string, binary = false): void {
    const bytes = new Uint8Array(Buffer.from(message));
    this.session.received(bytes.buffer, binary);
  }

  /** The newest command of a kind. */
  last<Kind extends SessionCommand['kind']>(kind: Kind): Extract<SessionCommand, { kind: Kind }> {
    const found = this.told.findLast((command) => command.kind === kind);
    if (found === undefined) throw new Error(`no ${kind} was told`);
    return found as Extract<SessionCommand, { kind: Kind }>;
  }

  count(kind: SessionCommand['kind']): number {
    return this.told.filter((command) => command.kind === kind).length;
  }

  /** Answers the newest command of this kind. */
  answer(kind: SessionCommand['kind'], frame: ServerFrame): void {
    this.session.emit(this.last(kind).tag, frame);
  }

  welcome(cursor = 0): void {
    this.answer('connect', { type: 'welcome', user: 'alice' as UserId, device: 'phone' as DeviceId, cursor, at: 1 });
  }

  async open(cursor?: number): Promise<this> {
    this.say({ type: 'hello', token: 'alice', device: 'phone', ...(cursor === undefined ? {} : { cursor }) });
    this.welcome(cursor);
    await turn();
    this.answer('pull', { type: 'pulled', through: cursor ?? 0, end: true });
    await turn();
    return this;
  }

  events(
    lsn: number,
    options: { readonly bytes?: number; readonly own?: boolean; readonly tag?: number; readonly count?: number } = {},
  ): void {
    const { bytes = 1, own = false, tag = 0, count = 1 } = options;
    const body = pack({ text: 'x'.repeat(bytes) });
    const entries = Array.from({ length: count }, (_, i) => packEntry(lsn + i, 'bob' as UserId, 1, 'message', 'k' as ClientId, body));
    this.session.emit(tag, {
      type: 'events',
      firstLsn: lsn,
      conversation: '@bob',
      batch: batchOf('alice:bob' as ConversationId, entries),
      own,
    });
  }

  /** Seconds pass, and the session is looked at each second. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.clock.advance(1_000);
      this.around.turns.second = Math.floor(this.clock.monotonic() / 1000);
      this.session.sweep(this.around.turns.second);
    }
    await turn();
  }

  get types(): readonly string[] {
    return this.socket.frames.map(({ type }) => type);
  }

  get errors(): readonly unknown[] {
    return this.socket.frames.filter(({ type }) => type === 'error').map(({ code }) => code);
  }
}

const send = { type: 'send', conversation: '@bob', clientId: 'k', body: {} };

t.test('hello is answered by welcome, with the limits and the node', async (t) => {
  const world = new World();
  world.say({ type: 'hello', token: 'alice', device: 'phone', cursor: 4, id: 'h' });
  t.match(world.last('connect'), { device: 'phone', cursor: 4, by: 'socket' });
  world.welcome(4);
  await turn();
  t.match(world.socket.frames, [{ type: 'welcome', cursor: 4, id: 'h', limits: { some: 'limits' }, node: 'node-1' }]);
  t.match(world.last('pull'), { after: 4 });
  t.match(world.last('ack'), { cursor: 4, device: 'phone' }, 'the cursor of hello acknowledges');
});

t.test('a cursor that can not be used is not acknowledged, and the stream begins where the reset says', async (t) => {
  const world = new World();
  world.say({ type: 'hello', token: 'alice', device: 'phone', cursor: 99 });
  world.welcome(99);
  world.answer('connect', { type: 'reset', cursor: 7, reason: 'ahead' });
  await turn();
  t.same(world.types, ['welcome', 'reset']);
  t.match(world.last('pull'), { after: 7 });
  t.equal(world.count('ack'), 0);
});

t.test('before welcome every error is followed by its close', async (t) => {
  const cases: readonly (readonly [string | object, string, number])[] = [
    ['{', 'bad-frame', 4500],
    [{ type: 'ping' }, 'hello-first', 4500],
    [{ type: 5 }, 'bad-field', 4500],
    [{ type: 'hello', device: 'd' }, 'bad-field', 4500],
    [{ type: 'hello', token: 'bad', device: 'd' }, 'unauthorized', 4502],
    [{ type: 'hello', token: 'old', device: 'd' }, 'token-expired', 4503],
  ];
  for (const [message, code, close] of cases) {
    const world = new World();
    if (typeof message === 'string') world.sayRaw(message);
    else world.say({ id: 'i', ...message });
    t.match(world.socket.frames, [{ type: 'error', code }], code);
    t.equal(world.socket.closed, close, code);
    t.same(world.told, [], 'nobody was told');
    t.equal(world.around.peers.connections, 0);
    t.equal(world.around.registry.size, 0);
  }
});

t.test('a user that can not be connected closes it', async (t) => {
  for (const [code, close] of [
    ['limit', 4505],
    ['overloaded', 4003],
    ['unavailable', 4003],
  ] as const) {
    const world = new World();
    world.say({ type: 'hello', token: 'alice', device: 'd', id: 'h' });
    world.answer('connect', { type: 'error', code, message: 'm' });
    t.match(world.socket.frames, [{ type: 'error', code, id: 'h' }]);
    t.equal(world.socket.closed, close);
    t.equal(world.count('disconnect'), 1);
  }
});

t.test('frames that come before welcome are acted on after it, in order', async (t) => {
  const world = new World();
  world.say(
    { type: 'hello', token: 'alice', device: 'd' },
    { ...send, clientId: 'a' },
    { ...send, clientId: 'b' },
    { type: 'nope', id: 'x' },
  );
  t.equal(world.count('submit'), 0);
  world.welcome();
  t.same(
    world.told.filter(({ kind }) => kind === 'submit').map((command) => (command as { clientId: string }).clientId),
    ['a', 'b'],
  );
  await turn();
  t.match(world.socket.frames, [{ type: 'welcome' }, { type: 'error', code: 'unknown-type', id: 'x' }]);
  t.equal(world.socket.closed, undefined);
});

t.test('a second hello is a conflict, and before welcome the end', async (t) => {
  const world = await new World().open();
  world.say({ type: 'hello', token: 'alice', device: 'd', id: 'h' });
  await turn();
  t.match(world.socket.frames.at(-1), { type: 'error', code: 'conflict', id: 'h' });
  t.equal(world.socket.closed, undefined);
  const early = new World();
  early.say({ type: 'hello', token: 'alice', device: 'd' }, { type: 'hello', token: 'alice', device: 'd' });
  t.equal(early.socket.closed, 4500);
});

t.test('after welcome only bad-frame closes', async (t) => {
  const world = await new World().open();
  world.say({ type: 'history', id: 'h', conversation: 'nobody' }, { type: 'ack', cursor: -1 }, { type: 'x' }, {});
  await turn();
  t.same(world.errors, ['bad-field', 'bad-field', 'unknown-type', 'bad-field']);
  t.equal(world.socket.closed, undefined);
  world.say({ type: 'ping' }, { type: 'ping' });
  world.sayRaw('[{"type":"ping"},5,{"type":"ping"}]');
  t.same(world.types.slice(-4), ['pong', 'pong', 'pong', 'error'], 'what stood before it was acted on');
  t.equal(world.socket.closed, 4500);
  const binary = await new World().open();
  binary.sayRaw('{"type":"ping"}', true);
  t.equal(binary.socket.closed, 4500);
  t.same(binary.errors, ['bad-frame']);
});

t.test('what gathers in a turn is written as one message', async (t) => {
  const world = await new World().open();
  const { messages } = world.socket;
  world.say({ type: 'ping' }, { type: 'ping', id: 'p' });
  world.events(1);
  world.events(2);
  await turn();
  t.equal(world.socket.messages, messages + 1);
  t.same(world.types.slice(1), ['pong', 'pong', 'event', 'event']);
  t.match(world.socket.frames[2], { id: 'p' });
});

t.test('an answer has the names of its request; a late one is dropped', async (t) => {
  const world = await new World().open();
  world.say({ ...send, id: 'i' });
  const submit = world.last('submit');
  world.events(1, { own: true });
  world.session.emit(submit.tag, { type: 'sent', clientId: submit.clientId, conversation: '@bob', seq: 1, lsn: 1, at: 1 });
  world.session.emit(submit.tag, { type: 'sent', clientId: submit.clientId, conversation: '@bob', seq: 1, lsn: 1, at: 1 });
  world.say({ type: 'typing', conversation: '@bob', clientId: 'c', id: 'j' });
  world.answer('typing', { type: 'error', code: 'not-found', message: 'm' });
  await turn();
  t.match(world.socket.frames.slice(1), [
    { type: 'sent', id: 'i', clientId: 'k' },
    { type: 'error', id: 'j', clientId: 'c' },
  ]);
  t.equal(world.socket.frames.length, 3);
  t.equal(world.around.requests.waiting, 0);
});

t.test('a duplicate stands outside the order', async (t) => {
  const world = await new World().open(5);
  world.say(send);
  world.answer('submit', { type: 'sent', clientId: 'k' as ClientId, conversation: '@bob', seq: 1, lsn: 900, at: 1, duplicate: true });
  world.events(6);
  await turn();
  t.same(world.types.slice(1), ['sent', 'event']);
});

t.test('always-answered: what is not answered in time ends as timeout or unavailable', async (t) => {
  const world = await new World().open();
  world.say(
    send,
    { type: 'history', id: 'h', conversation: '@bob' },
    { type: 'mute', id: 'm', conversation: '@bob', until: 0 },
    { type: 'ack', cursor: 1 },
  );
  await world.pass(12);
  t.match(world.socket.frames.slice(1), [
    { type: 'error', code: 'timeout', clientId: 'k' },
    { type: 'error', code: 'unavailable', id: 'h' },
    { type: 'error', code: 'timeout', id: 'm' },
  ]);
  world.answer('submit', { type: 'sent', clientId: 'k' as ClientId, conversation: '@bob', seq: 1, lsn: 1, at: 1 });
  world.events(1);
  await turn();
  t.same(world.types.slice(4), ['event'], 'its event is told, the late answer is not');
});

t.test('a connect that is not answered in time closes; a pull is asked again', async (t) => {
  const silent = new World();
  silent.say({ type: 'hello', token: 'alice', device: 'd' });
  await silent.pass(12);
  t.same(silent.errors, ['unavailable']);
  t.equal(silent.socket.closed, 4003);
  const world = new World();
  world.say({ type: 'hello', token: 'alice', device: 'd' });
  world.welcome();
  await turn();
  t.equal(world.count('pull'), 1);
  await world.pass(12);
  t.equal(world.count('pull'), 2);
  world.answer('pull', { type: 'error', code: 'unavailable', message: 'm' });
  await world.pass(1);
  t.equal(world.count('pull'), 3);
  t.same(world.errors, [], 'the client hears nothing of it');
});

t.test('no hello in time, and silence, are ended', async (t) => {
  const world = new World();
  await world.pass(10);
  world.session.heard();
  t.equal(world.socket.closed, undefined, 'ten seconds are never nine');
  await world.pass(1);
  t.same(world.errors, ['hello-first']);
  t.equal(world.socket.closed, 4500);

  const quiet = await new World().open();
  await quiet.pass(60);
  t.equal(quiet.socket.closed, undefined);
  t.equal(quiet.socket.pings, 2, 'a ping every 25 s');
  await quiet.pass(1);
  t.equal(quiet.socket.closed, 4002);

  const alive = await new World().open();
  for (let i = 0; i < 5; i++) {
    await alive.pass(30);
    alive.session.heard();
  }
  t.equal(alive.socket.closed, undefined);
});

t.test('a connection ends with its token', async (t) => {
  const world = await new World().open();
  for (let i = 0; i < 3_601; i++) {
    await world.pass(1);
    world.session.heard();
  }
  t.same(world.errors, ['token-expired']);
  t.equal(world.socket.closed, 4503);
});

t.test('bounded: a client that does not read is told no more events than fit, and misses none', async (t) => {
  const world = await new World({ outboxBytesMax: 10_000, outboxResumeBytes: 1_000 }).open();
  world.socket.full = true;
  for (let lsn = 1; lsn <= 100; lsn++) {
    world.events(lsn, { bytes: 1_000 });
    await turn();
  }
  const told = world.types.length - 1;
  t.ok(told < 15, `${told} events were written`);
  t.equal(world.around.backlog.bytes, world.socket.buffered);
  world.session.emit(0, { type: 'typing', conversation: '@bob', user: 'bob' as UserId });
  world.say(send);
  world.answer('submit', { type: 'sent', clientId: 'k' as ClientId, conversation: '@bob', seq: 101, lsn: 101, at: 1 });
  await turn();
  t.equal(world.types.length - 1, told, 'nor what comes after them');
  world.socket.drain();
  await turn();
  t.match(world.last('pull'), { after: told });
  world.events(told + 1, { tag: world.last('pull').tag, count: 101 - told });
  world.answer('pull', { type: 'pulled', through: 101, end: false });
  await turn();
  world.answer('pull', { type: 'pulled', through: 101, end: true });
  await turn();
  t.same(
    world.socket.frames.slice(1).map(({ lsn }) => lsn),
    Array.from({ length: 101 }, (_, i) => i + 1),
  );
  t.equal(world.types.at(-1), 'sent', 'the answer stands in its place');
  t.equal(world.around.backlog.bytes, 0);
});

t.test('bounded: a pull of large events is taken in parts', async (t) => {
  const world = new World({ outboxBytesMax: 10_000, outboxResumeBytes: 1_000 });
  world.say({ type: 'hello', token: 'alice', device: 'd', cursor: 0 });
  world.welcome();
  await turn();
  let pulls = 0;
  for (let lsn = 1; lsn <= 100; pulls++) {
    const { tag, after } = world.last('pull');
    for (let next = after + 1; next <= 100; next++) world.events(next, { bytes: 1_000, tag });
    world.session.emit(tag, { type: 'pulled', through: 100, end: false });
    await turn();
    lsn = Number(world.socket.frames.at(-1)?.['lsn']) + 1;
  }
  t.ok(pulls > 8 && pulls < 15, `${pulls} parts`);
  t.equal(world.types.length, 101);
});

t.test('bounded: answers that nobody reads end the connection', async (t) => {
  const world = await new World({ outboxAnswersBytesMax: 100_000 }).open();
  world.socket.full = true;
  const entries = Array.from({ length: 10 }, (_, i) =>
    packEntry(i + 1, 'bob' as UserId, 1, 'message', 'k' as ClientId, pack({ text: 'x'.repeat(5_000) })),
  );
  for (let i = 0; i < 10 && world.socket.closed === undefined; i++) {
    world.say({ type: 'history', id: 'h', conversation: '@bob' });
    world.answer('history', { type: 'page', id: 'h', conversation: '@bob', entries, more: false });
    await turn();
  }
  t.equal(world.socket.closed, 4001);
  t.ok(world.socket.buffered < 200_000);
  t.equal(world.around.requests.waiting, 0);
});

t.test('a socket that takes nothing for a minute is ended', async (t) => {
  const world = await new World().open();
  world.socket.full = true;
  world.events(1, { bytes: 5_000 });
  await turn();
  for (let i = 0; i < 59; i++) {
    await world.pass(1);
    world.session.heard();
  }
  t.equal(world.socket.closed, undefined);
  await world.pass(1);
  t.equal(world.socket.closed, 4001);
});

t.test('rates, requests and shedding refuse with a time, and nothing is told', async (t) => {
  const rates = { ...defaultGatewaySettings.rates, sendsPerUser: { perSecond: 10, burst: 2 } };
  const limited = await new World({ rates }).open();
  limited.say(send, { ...send, clientId: 'l' }, { ...send, clientId: 'm' });
  await turn();
  t.equal(limited.count('submit'), 2);
  t.match(limited.socket.frames.at(-1), { type: 'error', code: 'rate-limited', clientId: 'm', retryAfterMs: 1_000 });
  limited.clock.advance(100);
  limited.say({ ...send, clientId: 'm' });
  t.equal(limited.count('submit'), 3);

  const full = await new World({ requestsPerConnectionMax: 2 }).open();
  full.say(send, { ...send, clientId: 'l' }, { ...send, clientId: 'm' });
  await turn();
  t.match(full.socket.frames.at(-1), { type: 'error', code: 'overloaded', clientId: 'm', retryAfterMs: 1_000 });

  const shedding = await new World().open();
  shedding.shedding = new Failure('overloaded', 'too much', { retryAfterMs: 500 });
  shedding.say(send, { type: 'ping' }, { type: 'ack', cursor: 1 });
  await turn();
  t.match(shedding.socket.frames.slice(1), [{ type: 'error', code: 'overloaded', retryAfterMs: 500, clientId: 'k' }, { type: 'pong' }]);
  t.equal(shedding.count('submit'), 0);
  t.equal(shedding.count('ack'), 1, 'acknowledging makes work less');

  const failing = await new World().open();
  failing.failing = new Failure('unavailable', 'no mailbox', { retryAfterMs: 5 });
  failing.say(send);
  await turn();
  t.match(failing.socket.frames.at(-1), { type: 'error', code: 'unavailable', clientId: 'k' });
  t.equal(failing.around.requests.waiting, 0);
});

t.test('quiet-ends: a connection that is gone leaves nothing behind', async (t) => {
  const world = await new World().open();
  world.say(send);
  world.events(1, { own: true });
  world.socket.full = true;
  world.events(2);
  world.session.gone();
  world.session.gone();
  world.session.emit(world.last('submit').tag, { type: 'sent', clientId: 'k' as ClientId, conversation: '@bob', seq: 1, lsn: 1, at: 1 });
  world.session.close(4000, 'late');
  await turn();
  t.equal(world.count('disconnect'), 1);
  t.equal(world.around.requests.waiting, 0);
  t.equal(world.around.registry.size, 0);
  t.equal(world.around.peers.connections, 0);
  world.clock.advance(100_000);
  t.equal(world.around.backlog.bytes, 0);
  t.equal(world.clock.timers, 0, 'no timer is left');
});

t.test('who sends on, whatever is refused, is closed; who stops in time is not', async (t) => {
  const rates = {
    ...defaultGatewaySettings.rates,
    framesPerConnection: { perSecond: 1, burst: 1 },
    refusalsPerConnection: { perSecond: 10, burst: 20 },
  };
  const patient = await new World({ rates }).open();
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 15; i++) patient.say({ type: 'ping' });
    patient.clock.advance(2_000);
  }
  t.equal(patient.socket.closed, undefined);
  const wild = await new World({ rates }).open();
  for (let i = 0; i < 30; i++) wild.say({ type: 'ping' });
  t.equal(wild.socket.closed, 4003);
});

t.test('watching is paid for by the name, on all devices of a user together', async (t) => {
  const rates = { ...defaultGatewaySettings.rates, watchedPerUser: { perSecond: 1, burst: 5 } };
  const world = await new World({ rates }).open();
  world.say({ type: 'watch', users: ['a', 'b', 'c'] });
  world.say({ type: 'unwatch', users: ['a', 'b', 'c'], id: 'u' });
  await turn();
  t.equal(world.count('watch'), 1);
  t.equal(world.count('unwatch'), 0);
  t.match(world.socket.frames.at(-1), { type: 'error', code: 'rate-limited', id: 'u' });
});
