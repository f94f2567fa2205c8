import { createHmac } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { audit } from './audit.ts';
import { type Cast, castFrom, type Person } from './cast.ts';
import { check, readRecords } from './check.ts';
import type { Counts } from './counts.ts';
import { countRecords } from './counts.ts';
import type { TestDevice } from './device.ts';
import { chat, manage, type Part, setMutes, stumble } from './load.ts';
import { pollDevice } from './poll-device.ts';
import { type Random, randomFrom } from './random.ts';
import { type ServerProcess, serverProcess } from './server.ts';
import { socketDevice } from './socket-device.ts';
import type { Violation } from './violation.ts';

export interface RoundOptions {
  readonly seed: number;
  readonly pairs: number;
  readonly groups: number;
  readonly loadMs: number;
  readonly kills: number;
  /** Whether records and data are left even where nothing was violated. */
  readonly keep: 'always' | 'violated';
  readonly say: (what: string) => void;
}

export interface RoundOutcome {
  readonly violations: readonly Violation[];
  readonly counts: Counts;
  /** Where the records, the server's data and its log are, or were. */
  readonly directory: string;
}

const SECRET = 'a secret for tests, of no use elsewhere';
const SETTLED_WITHIN_MS = 120_000;
const CAUGHT_UP_WITHIN_MS = 20_000;

/** Load, kills, and a check of what everybody saw: one seed, one plan. */
export async function runRound(options: RoundOptions): Promise<RoundOutcome> {
  const random = randomFrom(options.seed);
  const directory = await mkdtemp(join(tmpdir(), `parley-crash-${options.seed}-`));
  const records = join(directory, 'records');
  await mkdir(records);
  const server = await serverProcess({ dataDirectory: join(directory, 'data'), secret: SECRET, logPath: join(directory, 'server.log') });
  const complaints: Violation[] = [];
  try {
    server.launch();
    await server.ready();
    await play(castFrom(random.fork('cast'), options.pairs, options.groups), random, server, records, options, complaints);
    const code = await server.stop();
    if (code !== 0) complaints.push(stopComplaint(code, server));
  } catch (thrown) {
    options.say(server.output());
    throw thrown;
  } finally {
    await server.kill();
  }
  const observed = readRecords(records);
  const violations = [...check(observed), ...complaints];
  if (violations.length === 0 && options.keep === 'violated') await rm(directory, { recursive: true });
  return { violations, counts: countRecords(observed), directory };
}

async function play(
  cast: Cast,
  random: Random,
  server: ServerProcess,
  directory: string,
  options: RoundOptions,
  complaints: Violation[],
): Promise<void> {
  const tokens = new Map(cast.users.map(({ name }) => [name, tokenFor(name)]));
  const devices = new Map(
    cast.users.map((person) => [person.name, devicesOf(person, tokens.get(person.name) as string, random, server, directory)]),
  );
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // everybody listens
  const part = (person: Person, device: TestDevice): Part => ({
    person,
    device,
    own: devices.get(person.name) as readonly TestDevice[],
    random: random.fork(`${person.name} ${device.name}`),
    stopped: stop.signal,
  });
  const owners = cast.groups.map((group) => ({ group, device: devices.get(group.owner)?.[0] as TestDevice }));
  await Promise.all(
    owners.map(({ group, device }) =>
      device.submit({
        clientId: `${group.id}-create`,
        conversation: `#${group.id}`,
        entry: 'created',
        body: { title: group.id, members: group.members.filter((name) => name !== group.owner) },
      }),
    ),
  );

  const activities: Promise<void>[] = [];
  for (const person of cast.users) {
    for (const device of devices.get(person.name) ?? []) {
      for (let worker = 0; worker < 2; worker++) activities.push(chat(cast, part(person, device), worker));
      activities.push(stumble(part(person, device)));
    }
    // One device a person sets them, so that the last answered is the one in force.
    activities.push(setMutes(part(person, devices.get(person.name)?.[0] as TestDevice)));
  }
  for (const { group, device } of owners) {
    const person = cast.users.find(({ name }) => name === group.owner) as Person;
    activities.push(manage(group, part(person, device)));
  }
  await killAtRandom(random.fork('kills'), server, options, complaints);
  stop.abort();
  options.say('load over; waiting for the last answers');
  await within(SETTLED_WITHIN_MS, 'every send is answered', Promise.all(activities));
  options.say('reading everything as everybody');
  const everyone = [...devices.values()].flat();
  await Promise.all(
    cast.users.map(({ name, peer, groups }) =>
      audit({
        user: name,
        socketUrl: server.socketUrl,
        token: tokens.get(name) as string,
        directory,
        conversations: [`@${name}`, `@${peer}`, ...groups],
      }),
    ),
  );
  await caughtUp(devices);
  await Promise.all(everyone.map((device) => device.end()));
}

function devicesOf(person: Person, token: string, random: Random, server: ServerProcess, directory: string): TestDevice[] {
  const choice = random.fork(`devices of ${person.name}`);
  return person.devices.map(({ name, via }) => {
    const options = { user: person.name, name, token, directory, url: server.url, socketUrl: server.socketUrl };
    if (via === 'poll') return pollDevice(options);
    return socketDevice({ ...options, codec: choice.pick(['json', 'msgpack'] as const), order: choice.pick(['kept', 'loose'] as const) });
  });
}

function tokenFor(user: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1_000) + 3_600 })}`;
  return `${claims}.${createHmac('sha256', SECRET).update(claims).digest('base64url')}`;
}

/** Disturbs it after random times of service that add up to `loadMs`, so that a slow start takes nothing from the load. */
async function killAtRandom(random: Random, server: ServerProcess, options: RoundOptions, complaints: Violation[]): Promise<void> {
  const moments = Array.from({ length: options.kills }, () => random.next() * options.loadMs).sort((one, other) => one - other);
  let served = 0;
  for (const moment of moments) {
    await delay(moment - served);
    served = moment;
    if (random.chance(0.15)) {
      const forMs = Math.round(500 + random.next() * 2_500);
      options.say(`after ${Math.round(moment)} ms: frozen for ${forMs} ms`);
      await server.freeze(forMs);
    } else {
      await end(server, random.chance(0.2) ? 'SIGTERM' : 'SIGKILL', Math.round(moment), options, complaints);
      await delay(random.next() * 200);
      await startAgain(random, server, options);
    }
  }
  await delay(options.loadMs - served);
}

async function end(
  server: ServerProcess,
  how: 'SIGTERM' | 'SIGKILL',
  after: number,
  options: RoundOptions,
  complaints: Violation[],
): Promise<void> {
  options.say(`after ${after} ms: ${how}`);
  if (how === 'SIGKILL') return server.kill();
  const code = await server.stop();
  if (code !== 0) complaints.push(stopComplaint(code, server));
}

async function startAgain(random: Random, server: ServerProcess, { say }: RoundOptions): Promise<void> {
  server.launch();
  if (random.chance(0.2)) {
    await delay(random.next() * 500);
    say('SIGKILL while it starts');
    await server.kill();
    server.launch();
  }
  const launchedAt = performance.now();
  await server.ready();
  say(`serves again after ${Math.round(performance.now() - launchedAt)} ms`);
}

const stopComplaint = (code: number | string, server: ServerProcess): Violation => ({
  rule: 'stops-cleanly',
  what: `on SIGTERM the server ended with ${code}, not with 0`,
  evidence: server.output().split('\n').slice(-20),
});

/** Every device has come to where the furthest device of its user is; what hasn't in the end, the checker finds. */
async function caughtUp(devices: ReadonlyMap<string, readonly TestDevice[]>): Promise<void> {
  const deadline = Date.now() + CAUGHT_UP_WITHIN_MS;
  const behind = (): boolean =>
    [...devices.values()].some((own) => own.some(({ cursor }) => cursor < Math.max(...own.map((other) => other.cursor))));
  do await delay(500);
  while (behind() && Date.now() < deadline);
}

async function within<Value>(ms: number, what: string, promise: Promise<Value>): Promise<Value> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise,
      delay(ms, undefined, { signal: timer.signal }).then(() => {
        throw new Error(`not so within ${ms} ms: ${what}`);
      }),
    ]);
  } finally {
    timer.abort();
  }
}
