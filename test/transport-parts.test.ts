import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { createSigner } from 'fast-jwt';
import t, { type Test } from 'tap';
import { Failure } from '../src/failure.ts';
import { silentLog } from '../src/log.ts';
import { closeAfter } from '../src/transport/close-codes.ts';
import { Durations, Measures } from '../src/transport/measures.ts';
import { Peers } from '../src/transport/peers.ts';
import { Rates } from '../src/transport/rates.ts';
import { type Receiver, Registry } from '../src/transport/registry.ts';
import { RequestWindow } from '../src/transport/request-window.ts';
import { Requests } from '../src/transport/requests.ts';
import { defaultGatewaySettings } from '../src/transport/settings.ts';
import { openVerify, remembering, signOperatorToken, signToken, type Verify } from '../src/transport/tokens.ts';
import { Turns } from '../src/transport/turns.ts';
import { temporaryDirectory } from './support/data.ts';
import { ManualClock } from './support/manual-clock.ts';

const secret = 'a secret that only tests know, 32 bytes or more';

const codeOf = (act: () => unknown): unknown => {
  try {
    act();
    return 'good';
  } catch (thrown) {
    return thrown instanceof Failure ? thrown.code : thrown;
  }
};

async function openTokens(
  keys: { publicKeyFile?: string; jwksFile?: string; clockSkewMs?: number } = {},
): Promise<{ verify: Verify; clock: ManualClock }> {
  const clock = new ManualClock();
  const verify = await openVerify({ settings: { clockSkewMs: 0, publicKeyFile: '', jwksFile: '', ...keys }, secret, clock });
  return { verify, clock };
}

t.test('a token signed with the secret names its user until it expires', async (t) => {
  const { verify, clock } = await openTokens();
  const token = signToken(secret, 'alice', 60, clock.now());
  const expiresAt = Math.floor(clock.now() / 1000) * 1000 + 60_000;
  t.same(verify.user(token), { user: 'alice', expiresAt });
  t.equal(
    codeOf(() => verify.user(signToken(secret, 'alice', -1, clock.now()))),
    'token-expired',
  );
  clock.advance(60_000);
  t.equal(
    codeOf(() => verify.user(token)),
    'token-expired',
  );
});

t.test('every other token is refused', async (t) => {
  const { verify, clock } = await openTokens();
  const iat = Math.floor(clock.now() / 1000);
  const signed = (claims: object, key = secret, algorithm: 'HS256' | 'HS384' | 'HS512' = 'HS256'): string =>
    createSigner({ noTimestamp: true, key, algorithm })(claims);
  const claims = { sub: 'alice', iat, exp: iat + 60 };
  const good = signed(claims);
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const unsigned = (alg: string): string => `${Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url')}.${payload}.`;
  const bad: Readonly<Record<string, string>> = {
    'no token': 'x',
    empty: '',
    dots: '..',
    'alg none': unsigned('none'),
    'alg None': unsigned('None'),
    'no signature': `${header}.${payload}.`,
    'a changed payload': `${header}.${Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url')}.${signature}`,
    'another key': signed(claims, `${secret}!`),
    HS384: signed(claims, secret, 'HS384'),
    HS512: signed(claims, secret, 'HS512'),
    'no exp': signed({ sub: 'alice' }),
    'no sub': signed({ exp: iat + 60 }),
    'a sub that is no id': signed({ ...claims, sub: 'a b' }),
    'a sub that is no text': signed({ ...claims, sub: undefined, uid: 5 }),
    'not good yet': signed({ ...claims, nbf: iat + 30 }),
    'for operators': signOperatorToken(secret, clock.now()),
    long: 'x'.repeat(100_000),
  };
  t.equal(
    codeOf(() => verify.user(good)),
    'good',
  );
  for (const [what, token] of Object.entries(bad))
    t.equal(
      codeOf(() => verify.user(token)),
      'unauthorized',
      what,
    );
  t.equal(
    codeOf(() => verify.operator(signOperatorToken(secret, clock.now()))),
    'good',
  );
  t.equal(
    codeOf(() => verify.operator(good)),
    'unauthorized',
    'a user is no operator',
  );
  t.equal(
    codeOf(() => verify.operator(signOperatorToken('another', clock.now()))),
    'unauthorized',
  );
});

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }) as Pair,
  ES256: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }) as Pair,
  EdDSA: generateKeyPairSync('ed25519') as Pair,
} as const;
type Algorithm = keyof typeof pairs;

const signedBy = (algorithm: Algorithm, now: number, kid?: string): string => {
  const key = pairs[algorithm].privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return createSigner({ key, algorithm, noTimestamp: true, ...(kid === undefined ? {} : { kid }) })({
    sub: 'bob',
    exp: Math.floor(now / 1000) + 60,
  });
};

async function fileWith(t: Test, text: string): Promise<string> {
  const file = join(await temporaryDirectory(t), 'key');
  await writeFile(file, text);
  return file;
}

t.test('a public key goes with one algorithm, and the secret is no longer good for users', async (t) => {
  for (const algorithm of Object.keys(pairs) as Algorithm[]) {
    const pem = pairs[algorithm].publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const { verify, clock } = await openTokens({ publicKeyFile: await fileWith(t, pem) });
    t.equal(verify.user(signedBy(algorithm, clock.now())).user, 'bob', algorithm);
    for (const other of Object.keys(pairs) as Algorithm[]) {
      if (other !== algorithm)
        t.equal(
          codeOf(() => verify.user(signedBy(other, clock.now()))),
          'unauthorized',
          `${other} for ${algorithm}`,
        );
    }
    t.equal(
      codeOf(() => verify.user(signToken(secret, 'bob', 60, clock.now()))),
      'unauthorized',
      'the secret',
    );
    const confused = createSigner({ key: Buffer.from('x'), algorithm: 'HS256', noTimestamp: true })({ sub: 'bob', exp: 9e9 });
    t.equal(
      codeOf(() => verify.user(confused)),
      'unauthorized',
    );
    t.equal(
      codeOf(() => verify.operator(signOperatorToken(secret, clock.now()))),
      'good',
      'the CLI keeps its own',
    );
  }
});

t.test('of a key set the token names its key, or each is tried', async (t) => {
  const keys = (Object.keys(pairs) as Algorithm[]).map((algorithm) => ({
    ...pairs[algorithm].publicKey.export({ format: 'jwk' }),
    kid: algorithm,
  }));
  const { verify, clock } = await openTokens({ jwksFile: await fileWith(t, JSON.stringify({ keys })) });
  for (const algorithm of Object.keys(pairs) as Algorithm[]) {
    t.equal(verify.user(signedBy(algorithm, clock.now(), algorithm)).user, 'bob');
    t.equal(verify.user(signedBy(algorithm, clock.now())).user, 'bob');
    t.equal(
      codeOf(() => verify.user(signedBy(algorithm, clock.now(), 'another'))),
      'unauthorized',
    );
  }
  t.equal(
    codeOf(() => verify.user(signedBy('RS256', clock.now(), 'ES256'))),
    'unauthorized',
    'the key of another',
  );
  const curve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({ type: 'spki', format: 'pem' }) as string;
  await t.rejects(openTokens({ publicKeyFile: await fileWith(t, curve) }), /P-256/);
});

t.test('good tokens are remembered, until they expire or others push them out', async (t) => {
  const { verify, clock } = await openTokens();
  let checks = 0;
  const counting: Verify = {
    user(token) {
      checks++;
      return verify.user(token);
    },
    operator: verify.operator,
  };
  const remembered = remembering(counting, clock, 2);
  const token = (user: string): string => signToken(secret, user, 60, clock.now());
  const [a, b, c] = ['a', 'b', 'c'].map(token) as [string, string, string];
  for (const each of [a, a, b, a]) remembered.user(each);
  t.equal(checks, 2);
  remembered.user(c);
  remembered.user(a);
  t.equal(checks, 4, 'the oldest was forgotten');
  t.equal(
    codeOf(() => remembered.user('bad')),
    'unauthorized',
  );
  clock.advance(60_000);
  t.equal(
    codeOf(() => remembered.user(a)),
    'token-expired',
  );
});

t.test('a bucket gives its burst at once, and then so many per second', async (t) => {
  const rates = new Rates({ ...defaultGatewaySettings.rates, sendsPerUser: { perSecond: 10, burst: 3 } }, 100);
  const waits = (now: number, times: number): number[] => Array.from({ length: times }, () => rates.refused('sendsPerUser', 'alice', now));
  t.same(waits(0, 4), [0, 0, 0, 100]);
  t.same(waits(50, 1), [50], 'a refusal takes nothing');
  t.same(waits(100, 2), [0, 100]);
  t.same(waits(10_000, 4), [0, 0, 0, 100], 'after a rest, the burst again');
  t.equal(rates.refused('sendsPerUser', 'bob', 10_000), 0, 'each has their own');
  t.equal(rates.refused('readsPerUser', 'alice', 10_000), 0, 'and each thing');
  t.throws(() => rates.take('sendsPerUser', 'alice', 10_000), { code: 'rate-limited', retryAfterMs: 1_000 });
  let taken = 0;
  for (let now = 20_000; now < 30_000; now += 3) if (rates.refused('sendsPerUser', 'carol', now) === 0) taken++;
  t.ok(taken >= 102 && taken <= 104, `${taken} in 10 s`);
  t.equal(new Rates(undefined, 10).refused('sendsPerUser', 'alice', 0), 0, 'lifted');
});

t.test('bounded: buckets are forgotten, oldest first, when there are too many', async (t) => {
  const rates = new Rates({ ...defaultGatewaySettings.rates, sendsPerUser: { perSecond: 1, burst: 1 } }, 2);
  for (const user of ['a', 'b', 'c']) rates.take('sendsPerUser', user, 0);
  t.not(rates.refused('sendsPerUser', 'b', 0), 0);
  t.equal(rates.refused('sendsPerUser', 'a', 0), 0, 'forgotten, and so allowed');
});

t.test('connections are counted by address', async (t) => {
  const limits = { connectionsMax: 4, connectionsPerAddressMax: 2, silentPerAddressMax: 1, ratesOn: true };
  const peers = new Peers(limits);
  const first = peers.open('a');
  if (typeof first === 'string') throw new Error(first);
  t.equal(peers.open('a'), 'many', 'the first has said nothing yet');
  peers.spoke(first);
  t.equal(peers.open('a'), first);
  peers.spoke(first);
  t.equal(peers.open('a'), 'many');
  for (const address of ['b', 'c']) t.type(peers.open(address), 'object');
  t.equal(peers.open('d'), 'full');
  peers.close(first, 'spoke');
  peers.close(first, 'spoke');
  t.equal(peers.connections, 2);
  const free = new Peers({ ...limits, ratesOn: false });
  for (let i = 0; i < 4; i++) t.type(free.open('a'), 'object');
  t.equal(free.open('a'), 'full');
});

t.test('requests wait in the order they came, and are counted', async (t) => {
  const count = { waiting: 0 };
  const requests = new Requests(count);
  for (const tag of [1, 2, 3]) requests.add({ tag, id: undefined, clientId: undefined, late: 'timeout', since: tag });
  t.equal(count.waiting, 3);
  t.equal(requests.take(2)?.tag, 2);
  t.equal(requests.take(2), undefined);
  t.same(
    requests.expired(3).map(({ tag }) => tag),
    [1],
  );
  t.same(requests.expired(3), []);
  requests.clear();
  t.equal(count.waiting, 0);
  t.equal(requests.size, 0);
});

t.test('durations are known to a few per cent, and forgotten after two windows', async (t) => {
  const durations = new Durations();
  t.equal(durations.quantileMs(0.5), 0);
  for (let ms = 1; ms <= 1_000; ms++) durations.record(ms);
  for (const [share, ms] of [
    [0.1, 100],
    [0.25, 250],
    [0.4, 400],
    [0.6, 600],
    [0.75, 750],
    [0.5, 500],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    const found = durations.quantileMs(share);
    t.ok(Math.abs(found / ms - 1) < 0.07, `${found} for ${ms}`);
  }
  durations.record(0);
  durations.record(1e9);
  durations.turnWindow();
  t.not(durations.quantileMs(0.5), 0);
  durations.turnWindow();
  t.equal(durations.quantileMs(0.5), 0);
  const measures = new Measures();
  measures.turnWindow(1_000);
  measures.sent += 50;
  measures.turnWindow(6_000);
  t.equal(measures.sentPerSecond, 10);
});

t.test('a sweep looks at every session once, in parts', async (t) => {
  const registry = new Registry('node-1');
  const swept: number[] = [];
  const receiver = (name: number): Receiver => ({ emit() {}, close() {}, goaway() {}, sweep: () => swept.push(name) });
  const addresses = Array.from({ length: 10 }, (_, i) => registry.add(receiver(i)));
  for (let part = 0; part < 4; part++) registry.sweep(1, 4);
  t.same(swept, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const address of addresses) registry.remove(address);
  t.equal(registry.size, 0);
  for (let part = 0; part < 4; part++) registry.sweep(2, 4);
  registry.emit({ node: 'node-1', id: 99 }, 0, {});
  registry.close({ node: 'node-1', id: 99 }, 4000, '');
  t.equal(swept.length, 10);
});

t.test('a turn flushes each session once, and those that were added meanwhile in the next', async (t) => {
  const clock = new ManualClock();
  const seen: string[] = [];
  const turns = new Turns(clock, { ...silentLog, error: (event) => seen.push(event) }, () => seen.push('rest'));
  const close = (code: number): number => seen.push(String(code));
  const again = { flush: () => seen.push('again'), close };
  turns.add({ flush: () => seen.push('one'), close });
  turns.add({
    flush: () => {
      throw new Error('a bug');
    },
    close,
  });
  turns.add({
    flush: () => {
      seen.push('two');
      turns.add(again);
    },
    close,
  });
  await turn();
  await turn();
  t.same(seen, ['one', 'flush-failed', '1011', 'two', 'rest', 'again', 'rest']);
  let left = 3;
  turns.hold({ release: (now) => (--left > 0 ? now + 8 : 0) }, clock.monotonic() + 8);
  clock.advance(9);
  t.equal(left, 3, 'looked at every five milliseconds');
  clock.advance(1);
  t.equal(left, 2);
  clock.advance(40);
  t.equal(left, 0);
  t.equal(clock.timers, 0, 'nobody holds, no timer runs');
  turns.hold({ release: (now) => now + 5 }, clock.monotonic());
  turns.stop();
  t.equal(clock.timers, 0);
});

t.test('after an error before welcome the code of the close says whether to come back', async (t) => {
  const closes = ['bad-frame', 'limit', 'unauthorized', 'token-expired', 'overloaded', 'timeout'] as const;
  t.same(closes.map(closeAfter), [4500, 4505, 4502, 4503, 4003, 4003]);
});

t.test('the request window narrows while most sends come late and more wait, and widens when not', async (t) => {
  const settings = { requestsMax: 1_000, answerTargetMs: 100 };
  const window = new RequestWindow(settings, 0);
  t.equal(window.most(0), 1_000);
  const tick = (from: number, answered: number, tookMs: number): number => {
    for (let i = 0; i < answered; i++) window.answered(tookMs, from + 50);
    return window.most(from + 100);
  };
  window.waiting = 900;
  t.equal(tick(0, 300, 20), 1_000, 'all in time');
  for (let i = 1; i <= 4; i++) t.equal(tick(100 * i, 300, 500), 1_000, 'late, for a moment');
  t.equal(tick(500, 300, 500), 150, 'late: as many as were done in half the time that they may take');
  t.equal(tick(600, 100, 500), 50);
  t.equal(window.mostOfOne(700), 32, 'of which nobody takes all');
  for (let i = 7; i <= 10; i++) t.equal(tick(100 * i, 100, 50), 50, 'in time again');
  t.ok(Math.abs(tick(1_100, 100, 50) - 51) < 1e-9, 'for as long as it was late: wider, by little while it is full');
  window.waiting = 10;
  t.equal(tick(1_200, 100, 50), 51 * 1.1);
  t.equal(window.most(1_300 + 10_000), 1_000, 'after ten quiet seconds as wide as ever');
});

t.test('a narrow request window widens again under a load too small to judge by', async (t) => {
  const window = new RequestWindow({ requestsMax: 1_000, answerTargetMs: 100 }, 0);
  window.answered(5, 0);
  window.waiting = 900;
  for (let tick = 0; tick < 5; tick++) {
    for (let i = 0; i < 300; i++) window.answered(500, tick * 100 + 50);
    window.most(tick * 100 + 100);
  }
  t.equal(window.most(500), 150);
  window.waiting = 3;
  t.ok(window.most(600) > 150);
});

t.test('a slow disk narrows nothing, but for what makes even that worse', async (t) => {
  const window = new RequestWindow({ requestsMax: 1_000, answerTargetMs: 100 }, 0);
  window.waiting = 900;
  let tick = 0;
  const ticks = (count: number, tookMs: number, answered: number): number => {
    for (const until = tick + count; tick < until; tick++) {
      window.answered(200, tick * 100 + 10);
      for (let i = 0; i < answered; i++) window.answered(tookMs, tick * 100 + 50);
      window.most(tick * 100 + 100);
    }
    return window.most(tick * 100);
  };
  t.equal(ticks(100, 400, 200), 1_000, 'twice what the disk takes');
  t.ok(ticks(10, 3_000, 40) < 1_000, 'a queue of seconds');
});

t.test('conversations with slow members narrow nothing where nothing queues', async (t) => {
  const window = new RequestWindow({ requestsMax: 1_000, answerTargetMs: 100 }, 0);
  window.waiting = 900;
  for (let i = 0; i < 40; i++) window.answered(5_000, 10);
  for (let i = 0; i < 60; i++) window.answered(20, 10);
  t.equal(window.most(200), 1_000, 'most are in time');
  for (let tick = 3; tick < 20; tick++) {
    for (let i = 0; i < 10; i++) window.answered(5_000, tick * 100 + 10);
    t.equal(window.most(tick * 100 + 100), 1_000, 'a few late ones, though all of them are');
  }
  window.waiting = 20;
  for (let tick = 20; tick < 40; tick++) {
    for (let i = 0; i < 100; i++) window.answered(5_000, tick * 100 + 10);
    t.equal(window.most(tick * 100 + 100), 1_000, 'nothing queues');
  }
});
