import fc from 'fast-check';
import { Packr, unpack as unpackByDefault } from 'msgpackr';
import t from 'tap';
import { batchOf, type Entry, pack, packEntry, unpack } from '../src/actors/entry.ts';
import type { EventsFrame, SessionCommand } from '../src/actors/messages.ts';
import { Failure } from '../src/failure.ts';
import type { ClientId, ConversationId, DeviceId, UserId } from '../src/ids.ts';
import type { PackedBody } from '../src/transport/body.ts';
import { type Codec, Oversize, type WireFrame } from '../src/transport/codec.ts';
import { namesOf } from '../src/transport/fields.ts';
import { type Asker, helloOf, kindOf, typeOf } from '../src/transport/frames.ts';
import { json } from '../src/transport/json.ts';
import { jsonOf } from '../src/transport/json-text.ts';
import { msgpack } from '../src/transport/msgpack.ts';
import { defaultGatewaySettings as settings } from '../src/transport/settings.ts';
import { decode, encode } from './support/raw-client.ts';

const asker: Asker = { address: { node: 'node-1', id: 1 }, user: 'alice' as UserId, device: 'phone' as DeviceId, settings };
const codecs = [
  ['json', json],
  ['msgpack', msgpack],
] as const;

const read = (codec: Codec, frame: unknown): readonly unknown[] => {
  const message = encode(codec === json ? 'json' : 'msgpack', frame);
  return codec.decode(Buffer.from(message as string), settings);
};

/** What a frame comes to: the command, or the code of its failure. */
function outcome(codec: Codec, frame: unknown): SessionCommand | Failure {
  try {
    const [only] = read(codec, frame);
    if (only instanceof Failure) throw only;
    return kindOf(typeOf(only)).command(only as never, asker, 7);
  } catch (thrown) {
    return Failure.from(thrown);
  }
}

const bodyIn = (command: SessionCommand | Failure): unknown => {
  if (command instanceof Failure) throw command;
  if (command.kind !== 'submit' || command.operation.kind !== 'message') throw new Error(`it is ${command.kind}`);
  return unpack(command.operation.body);
};

const session = asker.address;
const samples: readonly (readonly [Record<string, unknown>, object])[] = [
  [
    { type: 'ack', cursor: 5 },
    { kind: 'ack', device: 'phone', cursor: 5 },
  ],
  [
    { type: 'history', id: 'h', conversation: '@bob' },
    { kind: 'history', id: 'h', conversation: 'alice:bob', before: undefined, after: undefined, limit: 50 },
  ],
  [
    { type: 'history', id: 'h', conversation: '#team', before: 9, limit: 1_000 },
    { kind: 'history', id: 'h', conversation: '#team', before: 9, after: undefined, limit: 200 },
  ],
  [
    { type: 'conversations', id: 'c', limit: 3, next: 'x' },
    { kind: 'conversations', id: 'c', limit: 3, next: 'x' },
  ],
  [
    { type: 'receipts', id: 'r', conversation: '@alice' },
    { kind: 'receipts', id: 'r', conversation: 'alice:alice' },
  ],
  [
    { type: 'group.info', id: 'i', conversation: '#team' },
    { kind: 'info', id: 'i', conversation: '#team' },
  ],
  [
    { type: 'read', conversation: '@bob', seq: 3 },
    { kind: 'read', conversation: 'alice:bob', seq: 3, id: undefined },
  ],
  [
    { type: 'typing', conversation: '@bob', id: 'y' },
    { kind: 'typing', conversation: 'alice:bob', id: 'y' },
  ],
  [
    { type: 'presence', state: 'away' },
    { kind: 'presence', device: 'phone', state: 'away', id: undefined },
  ],
  [
    { type: 'watch', id: 'w', users: ['bob', 'carol', 'bob'] },
    { kind: 'watch', users: ['bob', 'carol'], id: 'w' },
  ],
  [
    { type: 'unwatch', users: ['bob'] },
    { kind: 'unwatch', users: ['bob'], id: undefined },
  ],
  [
    { type: 'group.create', clientId: 'k', title: 'Team', members: [] },
    { kind: 'submit', conversation: undefined, clientId: 'k', operation: { kind: 'created', title: 'Team', members: [] } },
  ],
  [
    { type: 'group.create', clientId: 'k', group: 'team', title: 'Té𝄞m', members: ['bob'] },
    { kind: 'submit', conversation: '#team', clientId: 'k', operation: { kind: 'created', title: 'Té𝄞m', members: ['bob'] } },
  ],
  [
    { type: 'group.add', clientId: 'k', conversation: '#team', users: ['bob'] },
    { kind: 'submit', conversation: '#team', clientId: 'k', operation: { kind: 'added', users: ['bob'] } },
  ],
  [
    { type: 'group.remove', clientId: 'k', conversation: '#team', users: ['bob'] },
    { kind: 'submit', conversation: '#team', clientId: 'k', operation: { kind: 'removed', users: ['bob'] } },
  ],
  [
    { type: 'group.leave', clientId: 'k', conversation: '#team' },
    { kind: 'submit', conversation: '#team', clientId: 'k', operation: { kind: 'left' } },
  ],
  [
    { type: 'group.rename', clientId: 'k', conversation: '#team', title: 'T' },
    { kind: 'submit', conversation: '#team', clientId: 'k', operation: { kind: 'renamed', title: 'T' } },
  ],
  [
    { type: 'group.role', clientId: 'k', conversation: '#team', user: 'bob', role: 'admin' },
    { kind: 'submit', conversation: '#team', clientId: 'k', operation: { kind: 'role', user: 'bob', role: 'admin' } },
  ],
  [
    { type: 'mute', id: 'm', conversation: '@bob', until: 2 ** 53 - 1 },
    { kind: 'mute', id: 'm', conversation: 'alice:bob', until: 2 ** 53 - 1 },
  ],
  [
    { type: 'block', id: 'b', user: 'bob' },
    { kind: 'block', id: 'b', user: 'bob' },
  ],
  [
    { type: 'unblock', id: 'b', user: 'bob' },
    { kind: 'unblock', id: 'b', user: 'bob' },
  ],
  [
    { type: 'settings', id: 's', presence: 'nobody' },
    { kind: 'settings', id: 's', presence: 'nobody' },
  ],
];

for (const [name, codec] of codecs) {
  t.test(`${name}: every frame becomes its command`, async (t) => {
    for (const [frame, command] of samples) {
      t.same(outcome(codec, frame), { session, tag: 7, ...command }, JSON.stringify(frame));
      t.same(
        outcome(codec, { ...frame, unknown: { deep: [[1]] }, another: null }),
        { session, tag: 7, ...command },
        'unknown fields are ignored',
      );
    }
  });

  t.test(`${name}: each field that is missing, of another type or too long is refused`, async (t) => {
    // The msgpack library of the tests sends no lone surrogates; these bytes have a test of their own.
    const surrogates = codec === json ? ['\ud800'] : [];
    const wrong = [null, -1, 1.5, 2 ** 53, true, {}, [], [1], ['no spaces'], 'x'.repeat(9_000), '', 'a b\n', ...surrogates];
    for (const [frame] of samples) {
      for (const field of Object.keys(frame)) {
        for (const value of [undefined, ...wrong]) {
          const { [field]: _, ...rest } = frame;
          const changed = value === undefined ? rest : { ...rest, [field]: value };
          const found = outcome(codec, changed);
          const allowed =
            found instanceof Failure ? ['bad-field', 'too-large', 'unknown-type'].includes(found.code) : isStillGood(frame, field, value);
          t.ok(
            allowed,
            `${JSON.stringify(changed).slice(0, 120)} → ${found instanceof Failure ? `${found.code} ${found.message}` : 'accepted'}`,
          );
          if (found instanceof Failure && found.code === 'bad-field' && field !== 'type')
            t.match(found.message, new RegExp(field), 'the message names the field');
        }
      }
    }
  });

  t.test(`${name}: bodies are checked and packed as they are`, async (t) => {
    const send = (body: unknown) => outcome(codec, { type: 'send', conversation: '@bob', clientId: 'k', body });
    const nested = (levels: number): object => (levels <= 1 ? {} : { a: nested(levels - 1) });
    for (const body of [
      {},
      { text: '' },
      {
        text: 'é𝄞"\\\u0001',
        a: [1, -1, 0.1, 1e300, null, true, {}],
        constructor: 1,
        length: -1,
      },
      { n: [0, 127, 128, 255, 256, 65_536, 2 ** 32, 2 ** 53 - 1, -1, -32, -33, -129, -(2 ** 31), -(2 ** 40)] },
      { long: 'x'.repeat(300), list: Array.from({ length: 20 }, () => ({})) },
      nested(64),
    ]) {
      t.same(bodyIn(send(body)), body);
    }
    // A library that packs these would trip over them itself.
    const tricky = { constructor: { a: 1 }, toString: { valueOf: 2 }, toJSON: 5, hasOwnProperty: null };
    if (codec === json) t.same(bodyIn(send(tricky)), tricky);
    const code = (body: unknown): unknown => (send(body) as Failure).code;
    for (const body of [undefined, null, 'x', 5, [], true]) t.equal(code(body), 'bad-field', `${body} is no body`);
    t.equal(code({ text: 5 }), 'bad-field');
    t.equal(code({ text: null }), 'bad-field');
    t.equal(code(nested(65)), 'too-large');
    if (codec === json) {
      t.equal(code({ a: '\udc00' }), 'bad-field');
      t.equal(code({ a: [{ '\ud800': 1 }] }), 'bad-field');
    }
    t.equal(code(JSON.parse('{"a":{"__proto__":{"x":1}}}')), 'bad-field');
    t.same(
      bodyIn(send({ text: 'x'.repeat(settings.bodyBytesMax - 11) })),
      { text: 'x'.repeat(settings.bodyBytesMax - 11) },
      'exactly the most',
    );
    t.equal(code({ text: 'x'.repeat(settings.bodyBytesMax - 10) }), 'too-large', 'one byte more');
    t.equal(code({ text: 'é'.repeat(settings.bodyBytesMax / 2 - 5) }), 'too-large', 'counted in UTF-8');
    t.equal(code({ text: '\u0001'.repeat(settings.bodyBytesMax / 6) }), 'too-large', 'counted as JSON escapes it');
    t.equal(code({ a: Array.from({ length: settings.bodyBytesMax / 2 }, () => 1) }), 'too-large');
  });

  t.test(`${name}: any body comes out as it went in, or is refused`, async () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ depthSize: 'medium' })), (body) => {
        const found = outcome(codec, { type: 'send', conversation: '@bob', clientId: 'k', body });
        if (found instanceof Failure) return ['bad-field', 'too-large'].includes(found.code);
        if (found.kind !== 'submit' || found.operation.kind !== 'message') return false;
        const text = JSON.stringify(body);
        return JSON.stringify(JSON.parse(jsonOf(found.operation.body, 0))) === JSON.stringify(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  t.test(`${name}: arrays, and what is no frame`, async (t) => {
    t.same(read(codec, []), [], 'an empty array says nothing');
    t.equal(read(codec, [{ type: 'ping' }, { type: 'ping' }]).length, 2);
    const many = read(
      codec,
      Array.from({ length: settings.framesPerMessageMax + 1 }, () => ({ type: 'ping' })),
    );
    t.match(many, [{ code: 'too-large' }], 'none of too many frames is acted on');
    for (const value of [5, 'text', null, true, [[{ type: 'ping' }]]]) {
      const [first] = read(codec, value);
      t.throws(() => typeOf(first), { code: 'bad-frame' }, JSON.stringify(value));
    }
    t.throws(() => typeOf(read(codec, {})[0]), { code: 'bad-field' });
    t.throws(() => typeOf(read(codec, { type: 5 })[0]), { code: 'bad-field' });
    for (const type of ['nope', 'constructor', '__proto__', 'toString', ''])
      t.throws(() => kindOf(typeOf(read(codec, { type })[0])), { code: 'unknown-type' }, type);
  });

  t.test(`${name}: a frame that is too long gives back its names`, async (t) => {
    const long = { type: 'send', conversation: '@bob', clientId: 'k', id: 'i', body: { text: 'x'.repeat(settings.frameBytesMax) } };
    for (const message of [long, [{ type: 'ping' }, long]]) {
      const frame = read(codec, message).at(-1);
      t.ok(frame instanceof Oversize);
      t.throws(() => typeOf(frame), { code: 'too-large' });
      t.same(namesOf(frame), { id: 'i', clientId: 'k' });
    }
    const several = Array.from({ length: 5 }, () => ({ ...long, body: { text: 'x'.repeat(16_000) } }));
    t.notOk(
      read(codec, several).some((frame) => frame instanceof Oversize),
      'frames count one by one',
    );
  });

  t.test(`${name}: hello`, async (t) => {
    const [hello] = read(codec, { type: 'hello', token: 't', device: 'd', cursor: 0 });
    t.same(helloOf(hello as never), { token: 't', device: 'd', cursor: 0 });
    for (const bad of [
      { token: 5 },
      { token: 'x'.repeat(9_000) },
      { device: 'a b' },
      { device: undefined },
      { cursor: -1 },
      { cursor: '5' },
      { cursor: null },
    ]) {
      const [frame] = read(codec, { type: 'hello', token: 't', device: 'd', ...bad });
      t.throws(() => helloOf(frame as never), Failure, JSON.stringify(bad));
    }
  });

  t.test(`${name}: every frame of the server reaches a client as it is`, async (t) => {
    const entry = (seq: number, body: unknown): Entry =>
      packEntry(seq, 'alice' as UserId, 1_700_000_000_000, 'message', 'k"\\' as ClientId, pack(body));
    const entries = [entry(1, { text: 'hé"' }), entry(2, {}), entry(3, { a: [1, null] })];
    const run: EventsFrame = {
      type: 'events',
      firstLsn: 2 ** 32,
      conversation: '@alice',
      batch: batchOf('alice:bob' as ConversationId, entries),
      own: false,
    };
    const shown = entries.map(({ seq, from, at, kind, clientId }, i) => ({
      seq,
      from,
      at,
      kind,
      clientId,
      body: [{ text: 'hé"' }, {}, { a: [1, null] }][i],
    }));
    const events = shown.map((entry, i) => ({ type: 'event', lsn: 2 ** 32 + i, conversation: '@alice', ...entry }));
    const item = {
      conversation: '@bob',
      lastSeq: 3,
      last: entries[2] as Entry,
      read: 1,
      unread: 2,
      mutedUntil: 2 ** 40,
      peer: { delivered: 1, read: 0 },
    };
    const sent = { type: 'sent', clientId: 'k' as ClientId, conversation: '@bob', seq: 1, lsn: 2 ** 33, at: 1_700_000_000_000 } as const;
    const user = 'bob' as UserId;
    const cases: readonly (readonly [WireFrame, unknown])[] = [
      [run, events],
      [{ type: 'some-events', run, from: 1, to: 2 }, events[1]],
      [{ type: 'some-events', run, from: 1, to: 3 }, events.slice(1)],
      [sent, sent],
      [
        { ...sent, duplicate: true, id: 'i'.repeat(64) },
        { ...sent, duplicate: true, id: 'i'.repeat(64) },
      ],
      [
        { type: 'page', id: 'h', conversation: '@bob', entries, more: true },
        { type: 'page', id: 'h', conversation: '@bob', entries: shown, more: true },
      ],
      [
        { type: 'page', id: 'h', clientId: 'k', conversation: '@bob', entries: [], more: false },
        { type: 'page', id: 'h', clientId: 'k', conversation: '@bob', entries: [], more: false },
      ],
      [
        { type: 'conversations', id: 'c', items: [item], next: 'n"' },
        { type: 'conversations', id: 'c', items: [{ ...item, last: shown[2] }], next: 'n"' },
      ],
      [
        { type: 'conversations', id: 'c', items: [] },
        { type: 'conversations', id: 'c', items: [] },
      ],
      ...[
        { type: 'reset', cursor: 5, reason: 'ahead' } as const,
        { type: 'receipt', conversation: '@bob', user, delivered: 2, read: 1 } as const,
        { type: 'receipts', id: 'r', conversation: '@bob', members: [{ user, delivered: 1, read: 1 }] } as const,
        { type: 'typing', conversation: '@bob', user } as const,
        { type: 'presence', user, state: 'offline', lastSeen: 1_700_000_000_000 } as const,
        { type: 'group', id: 'g', conversation: '#team', title: 'T', members: [{ user, role: 'owner' }] } as const,
        { type: 'done', id: 'd' } as const,
        { type: 'error', code: 'overloaded', message: 'm', id: 'i', clientId: 'k', retryAfterMs: 5 } as const,
        { type: 'pong', id: 'p', at: 1_700_000_000_000 } as const,
        { type: 'goaway', reason: 'r', afterMs: 5 } as const,
      ].map((frame) => [frame, frame] as const),
    ];
    const written = (frames: readonly WireFrame[]): unknown => {
      const message = codec.encode(frames);
      return decode(Buffer.from(message as string), codec.binary);
    };
    for (const [frame, expected] of cases) t.same(written([frame]), expected, frame.type);
    t.same(
      written(cases.map(([frame]) => frame)),
      cases.flatMap(([, expected]) => expected),
      'all in one message, in order',
    );
    const many = Array.from({ length: 1_000 }, () => ({ type: 'done', id: 'd' }) as const);
    t.same(written(many), many);
    const large = entry(9, { text: 'x'.repeat(100_000) });
    const page = written([
      { type: 'page', id: 'h', conversation: '@bob', entries: Array.from({ length: 60 }, () => large), more: false },
    ]) as { entries: unknown[] };
    t.equal(page.entries.length, 60, 'the buffer grows');
    t.same(written([sent]), sent, 'and is given back');
    codec.rest();
  });
}

/** What a changed sample may still be: a field that is optional, or a value that is good there too. */
function isStillGood(frame: Record<string, unknown>, field: string, value: unknown): boolean {
  const optional =
    ['before', 'limit', 'next', 'group'].includes(field) ||
    (field === 'id' && ['read', 'typing', 'presence', 'watch', 'unwatch'].includes(String(frame['type'])));
  if (value === undefined) return optional;
  if (field === 'title' || field === 'next') return value === 'a b\n';
  return field === 'members' && Array.isArray(value) && value.length === 0;
}

t.test('msgpack: of a message that can’t be read to its end no frame is given', async (t) => {
  const bytes = (...values: (number | readonly number[] | string | Buffer)[]): Buffer =>
    Buffer.concat(
      values.map((value) => {
        if (typeof value === 'string') return Buffer.from(value, 'latin1');
        return Buffer.isBuffer(value) ? value : Buffer.from([value].flat() as number[]);
      }),
    );
  const codes = (message: Buffer): readonly unknown[] =>
    msgpack.decode(message, settings).map((frame) => (frame instanceof Failure ? frame.code : frame));
  const ping = bytes(0x81, '\xa4type\xa4ping');
  t.same(codes(bytes()), ['bad-frame']);
  t.same(codes(bytes(ping, [0xc0])), ['bad-frame'], 'bytes left over');
  t.same(codes(bytes(0x92, ping)), ['bad-frame'], 'an array that ends early');
  t.same(codes(bytes([0x92], ping, [0x81, 0x05, 0x05])), ['bad-frame'], 'a key that is no string');
  t.same(codes(bytes([0xdd, 0xff, 0xff, 0xff, 0xff])), ['bad-frame'], 'an array of 4 billion');
  t.same(codes(bytes([0xdf, 0xff, 0xff, 0xff, 0xff])), ['bad-frame'], 'a map of 4 billion');
  t.same(codes(bytes([0xdc, 0x01, 0x01], ...Array.from({ length: 257 }, () => ping))), ['too-large']);
  t.same(codes(bytes(0xc1)), ['bad-frame']);
  t.same(codes(new Packr({ useRecords: true }).pack({ type: 'ping' })), ['bad-frame'], 'records');
  const deep = bytes(
    0x82,
    '\xa4type\xa4ping',
    '\xa4deep',
    Array.from({ length: 10_000 }, () => 0x91),
    [0x00],
  );
  t.same(codes(deep), [{ type: 'ping' }], 'what is ignored may nest as it likes');
  const deepBody = bytes(
    0x82,
    '\xa4type\xa4send',
    '\xa4body',
    0x81,
    '\xa1a',
    Array.from({ length: 10_000 }, () => 0x91),
    [0x00],
  );
  t.match(codes(deepBody), [{ type: 'send', body: { code: 'too-large' } }]);
  const integer = (...value: number[]): unknown => codes(bytes(0x82, '\xa4type\xa3ack', '\xa6cursor', value))[0];
  for (const value of [
    [0x05],
    [0xcc, 5],
    [0xcd, 0, 5],
    [0xce, 0, 0, 0, 5],
    [0xcf, 0, 0, 0, 0, 0, 0, 0, 5],
    [0xd0, 5],
    [0xd1, 0, 5],
    [0xd3, 0, 0, 0, 0, 0, 0, 0, 5],
    [0xca, 0x40, 0xa0, 0, 0],
    [0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0],
  ]) {
    t.match(integer(...value), { cursor: 5 }, `5 as ${value}`);
  }
  t.match(integer(0xe0), { cursor: -32 });
  t.match(integer(0xd2, 0xff, 0xff, 0xff, 0xff), { cursor: -1 });
  const inBody = (...value: number[]): unknown =>
    (codes(bytes(0x82, '\xa4type\xa4send', '\xa4body', 0x81, '\xa1a', value))[0] as { body: unknown }).body;
  t.match(inBody(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), { code: 'bad-field' }, 'past 2^53');
  t.match(inBody(0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0), { code: 'bad-field' }, 'NaN');
  const passedOn = (...value: number[]): unknown => unpack((inBody(...value) as PackedBody).bytes);
  t.strictSame(passedOn(0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), { a: 2 ** 32 - 1 }, 'an integer of 64 bits is a number to all');
  t.strictSame(passedOn(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), { a: -2 });
  t.match(inBody(0xca, 0x7f, 0x80, 0, 0), { code: 'bad-field' }, 'infinity');
  t.match(inBody(0xc4, 1, 0), { code: 'bad-field' }, 'binary');
  t.match(inBody(0xd6, 0xff, 0, 0, 0, 0), { code: 'bad-field' }, 'a timestamp');
  t.match(inBody(0x81, 0x01, 0x01), { code: 'bad-field' }, 'a key that is no string');
  t.match(inBody(0xa1, 0xff), { code: 'bad-field' }, 'no UTF-8');
  t.match(inBody(0xa3, 0xed, 0xa0, 0x80), { code: 'bad-field' }, 'a lone surrogate as bytes');
});

t.test('msgpack: any bytes end in frames or failures', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const frame of msgpack.decode(Buffer.from(bytes), settings)) {
        if (frame instanceof Failure && frame.code === 'internal') return false;
      }
      return true;
    }),
    { numRuns: 5_000 },
  );
});

t.test('msgpack: a damaged message ends in frames or failures', async () => {
  const good = encode('msgpack', [
    { type: 'send', conversation: '@bob', clientId: 'k', body: { text: 'hello', list: [1, 2, { a: -5 }], more: 1.5 } },
    { type: 'watch', users: ['bob', 'carol'] },
  ]) as Uint8Array;
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
      const damaged = Buffer.from(good).subarray(0, length);
      damaged[at] = value;
      return msgpack.decode(damaged, settings).every((frame) => !(frame instanceof Failure) || frame.code !== 'internal');
    }),
    { numRuns: 5_000 },
  );
});

t.test('packed values become JSON as JSON.stringify would write them', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      return JSON.stringify(JSON.parse(jsonOf(pack(value), 0))) === text;
    }),
  );
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(), (real, integer) => {
      const { a, b } = JSON.parse(jsonOf(pack({ a: real, b: integer }), 0)) as { a: number; b: number };
      return (Object.is(a, real) || (a === 0 && real === 0)) && b === integer;
    }),
  );
});

t.test('packed times are numbers to a decoder with its defaults', async (t) => {
  const entry = packEntry(1, 'alice' as UserId, 1_700_000_000_000, 'message', 'k' as ClientId, pack({}));
  const message = msgpack.encode([{ type: 'page', id: 'h', conversation: '@bob', entries: [entry], more: false }]);
  t.match(unpackByDefault(message as Uint8Array), { entries: [{ at: 1_700_000_000_000 }] });
});

t.test('a user who stands in a list more than once counts once', async (t) => {
  const users = Array.from({ length: settings.watchMax + 1 }, () => 'bob');
  t.match(kindOf('watch').command({ type: 'watch', users }, asker, 0), { kind: 'watch', users: ['bob'] });
});
