import { createServer } from 'node:net';
import { getHeapSpaceStatistics, getHeapStatistics, type HeapSpaceInfo, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { groupActor } from './actors/group.ts';
import type { SessionCommand } from './actors/messages.ts';
import { userActor } from './actors/user.ts';
import { type Clock, systemClock } from './clock.ts';
import { ALARM, type Sessions } from './cluster/actor.ts';
import { Region } from './cluster/region.ts';
import { soleOwner } from './cluster/ring.ts';
import { Router } from './cluster/router.ts';
import { type Config, gatewaySettings, messengerLimits } from './config.ts';
import { keepSecret, prepareDirectory, readNote, readSecret, removeNote, storeDirectory, writeNote } from './data-directory.ts';
import { Failure } from './failure.ts';
import { collectAtRest, type Heap } from './heap-at-rest.ts';
import type { UserId } from './ids.ts';
import type { Log } from './log.ts';
import { watchOverload } from './overload.ts';
import { keepRetention } from './retention.ts';
import { refuseSecondNode } from './running-node.ts';
import { openLevelStore } from './storage/leveldb.ts';
import { openMemoryStore } from './storage/memory.ts';
import type { Store } from './storage/store.ts';
import { type Gateway, openGateway } from './transport/gateway.ts';
import { openVerify } from './transport/tokens.ts';

export interface Node {
  readonly port: number;
  /** Where it is reached from this machine. */
  readonly url: string;
  readonly wsUrl: string;
  /** Tells clients `goaway`, finishes what is in flight, stores what isn't yet, and lets go of everything. */
  stop(reason: string): Promise<void>;
}

export interface NodeParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** Of PARLEY_SECRET; without it the one in the data directory is used, and made on first start. */
  readonly secret?: string | undefined;
  /** Opens another store than the configuration names: one of the caller's own, or one that fails when a test says so. */
  readonly openStore?: (config: Config, clock: Clock, log: Log) => Promise<Store>;
}

/** What clients ask for that is answered only once it is stored. */
const STORING: ReadonlySet<SessionCommand['kind']> = new Set(['submit', 'mute', 'block', 'unblock', 'settings']);

/** RFC 7518, 3.2: a key for HS256 has at least as many bits as the hash. */
const SECRET_BYTES_MIN = 32;

function refuseShortSecret(secret: string | undefined): void {
  if (secret === undefined || Buffer.byteLength(secret) >= SECRET_BYTES_MIN) return;
  throw new Failure('bad-field', `PARLEY_SECRET has fewer than ${SECRET_BYTES_MIN} bytes: who guesses it can be anyone`);
}

/** Refuses a port that is taken before anything is touched. The gateway could share it, and must not. */
async function checkPort(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? `port ${port} is in use` : `port ${port} of ${host} can't be listened on (${code})`;
    const flag = code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL' || code === 'EAI_AGAIN' ? '--host' : '--port';
    throw new Failure('unavailable', `${problem}; give another with ${flag}`, { cause: error });
  }
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

/** Things that were opened, closed in the reverse order; also where opening the next one failed. */
class Opened {
  readonly #closers: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) await close();
  }
}

async function openStore(config: Config, clock: Clock, log: Log): Promise<Store> {
  if (config.store === 'memory') return openMemoryStore({ clock });
  return openLevelStore({ directory: storeDirectory(config.data), clock, settings: config.storage, log });
}

/** Puts a node together and opens its port. What fails here fails with one sentence, and leaves nothing open. */
export async function startNode(parts: NodeParts): Promise<Node> {
  const opened = new Opened();
  try {
    return await open(parts, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function open(parts: NodeParts, opened: Opened): Promise<Node> {
  const { config, log, clock = systemClock } = parts;
  const { data } = config;
  refuseShortSecret(parts.secret);
  await refuseSecondNode(data, await readNote(data), parts.secret ?? (await readSecret(data)), clock.now());
  await checkPort(config.listen.host, config.listen.port);
  await prepareDirectory(data);
  const store = await (parts.openStore ?? openStore)(config, clock, log);
  opened.add(() => store.close());
  const secret = parts.secret ?? (await keepSecret(data));
  const verify = await openVerify({ settings: config.tokens, secret, clock });

  // Region and gateway know each other; the gateway comes last, because it lets clients in.
  let gateway: Gateway | undefined;
  const sessions: Sessions = {
    emit: (session, tag, frame) => gateway?.sessions.emit(session, tag, frame),
    close: (session, code, reason) => gateway?.sessions.close(session, code, reason),
  };
  const limits = messengerLimits(config);
  const ring = soleOwner(config.node);
  const region = new Region({
    node: config.node,
    ring,
    store,
    sessions,
    clock,
    log,
    settings: { ...config.runtime, activationBytesMax: boundedByHeap(config.runtime.activationBytesMax, log) },
    kinds: [userActor({ ...limits, groupIdSecret: secret }, store.traits), groupActor(limits)],
  });
  opened.add(() => region.halt());
  const router = new Router(config.node, ring, region);
  const overload = watchOverload(
    clock,
    { ...config.runtime, retryMs: config.limits.overloadedRetryMs },
    () => region.waiting,
    () => store.status().refusing,
  );
  opened.add(() => overload.stop());
  const atRest = collectAtRest(clock, v8Heap(), config.runtime, log);
  opened.add(() => atRest.stop());
  const retention = keepRetention(clock, store, config.runtime, log, (user) => router.tell({ kind: 'user', id: user }, ALARM));
  opened.add(() => retention.stop());
  let stopping: Promise<void> | undefined;
  const startedAt = clock.now();
  gateway = await openGateway({
    settings: gatewaySettings(config),
    clock,
    log,
    node: config.node,
    tellUser: (user: UserId, command: SessionCommand) => {
      const refusal = STORING.has(command.kind) ? overload.refusesWrites() : undefined;
      if (refusal !== undefined) throw refusal;
      router.tell({ kind: 'user', id: user }, command);
    },
    verify,
    shed: overload.shed,
    notReady: () => (stopping === undefined ? refusing(store) : 'this node is stopping'),
    status: () => ({
      node: config.node,
      pid: process.pid,
      upMs: clock.now() - startedAt,
      lagMs: overload.lagMs(),
      actors: region.stats(),
      store: store.status(),
      memory: process.memoryUsage(),
    }),
  });
  const { port } = gateway;
  opened.add(() => gateway?.close());
  const url = `http://${reachable(config.listen.host)}:${port}`;
  await writeNote(data, { pid: process.pid, url, startedAt });
  opened.add(() => removeNote(data));

  const stop = async (reason: string): Promise<void> => {
    const until = clock.monotonic() + config.runtime.stopWithinMs;
    log.info('stopping', { reason });
    retention.stop();
    try {
      await gateway.drain(reason);
      await region.drain(Math.max(500, until - clock.monotonic()));
    } finally {
      await opened.close();
    }
    log.info('stopped');
  };
  return { port, url, wsUrl: `${url.replace('http', 'ws')}/v1/ws`, stop: (reason) => (stopping ??= stop(reason)) };
}

/** Actors get half of the heap at most: the rest is for what comes and goes, and for V8 to collect it in peace. */
function boundedByHeap(bytesMax: number, log: Log): number {
  const half = Math.floor(getHeapStatistics().heap_size_limit / 2);
  if (bytesMax <= half) return bytesMax;
  log.info('actors-memory-bounded', { askedBytes: bytesMax, bytes: half, hint: 'node --max-old-space-size gives the process more' });
  return half;
}

/** V8 shows its collector to those who ask for it only. */
function v8Heap(): Heap {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  const space = (name: string): HeapSpaceInfo | undefined => getHeapSpaceStatistics().find(({ space_name }) => space_name === name);
  return {
    oldBytes: () => space('old_space')?.space_used_size ?? 0,
    youngBytes: () => space('new_space')?.space_size ?? 0,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    collect,
  };
}

const refusing = (store: Store): string | undefined => {
  const { refusing } = store.status();
  return refusing === undefined ? undefined : `the store takes no writes: ${refusing}`;
};

/** The host by which this machine reaches an address that it listens on. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
