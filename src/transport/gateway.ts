import uWS from 'uWebSockets.js';
import type { SessionCommand } from '../actors/messages.ts';
import type { Clock } from '../clock.ts';
import { CLOSE } from '../close-codes.ts';
import type { Sessions } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { serveHealth } from './health.ts';
import { json } from './json.ts';
import { Measures } from './measures.ts';
import { Peers } from './peers.ts';
import { Polling } from './polling.ts';
import { Rates } from './rates.ts';
import { Registry } from './registry.ts';
import { RequestWindow } from './request-window.ts';
import type { GatewaySettings } from './settings.ts';
import type { Surroundings } from './surroundings.ts';
import { remembering, type Verify } from './tokens.ts';
import { Turns } from './turns.ts';
import { serveWebSocket } from './websocket.ts';

export interface GatewayOptions {
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name, as `welcome` and `SessionAddress` have it. */
  readonly node: string;
  readonly tellUser: (user: UserId, command: SessionCommand) => void;
  readonly verify: Verify;
  /** Why no more work is taken at this moment (`overloaded`, `unavailable`); asked once per message. */
  readonly shed: () => Failure | undefined;
  /** Why this node can't serve: the text that /readyz gives with 503. */
  readonly notReady: () => string | undefined;
  /** What `GET /v1/status` gives an operator, beside the gateway's own figures. */
  readonly status: () => object;
}

export interface GatewayStats {
  readonly connections: number;
  readonly polls: number;
  /** Those that wait for their answers. */
  readonly requests: number;
  readonly unsentBytes: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly sent: number;
  readonly sentPerSecond: number;
  /** From `send` read to `sent` written. */
  readonly sentP50Ms: number;
  readonly sentP99Ms: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Gateway {
  readonly port: number;
  readonly sessions: Sessions;
  stats(): GatewayStats;
  /** Tells every client `goaway`, waits for what is in flight, closes with 4000, takes no more. */
  drain(reason: string): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}

/** Each session is looked at once in this time, a part of them at once so that none waits for all. */
const SWEEP_MS = 1_000;
const SWEEP_PARTS = 4;
const WINDOW_MS = 5_000;
/** How often a drain looks whether everything is quiet. */
const QUIET_CHECK_MS = 20;

/** Listens. Rejects with a `Failure` `unavailable` where it can't. */
export function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { settings, clock, log, node } = options;
  let phase: 'serving' | 'leaving' | 'closing' = 'serving';
  let drainReason = '';
  const goingAway = (): Failure =>
    new Failure('unavailable', `this node is going away: ${drainReason}`, { retryAfterMs: settings.overloadedRetryMs });
  const registry = new Registry(node);
  const measures = new Measures();
  const around: Surroundings = {
    settings,
    clock,
    log,
    node,
    tellUser: options.tellUser,
    verify: remembering(options.verify, clock, settings.tokensCachedMax),
    shed: () => (phase === 'closing' ? goingAway() : options.shed()),
    rates: new Rates(settings.ratesOn ? settings.rates : undefined, settings.bucketsMax),
    peers: new Peers(settings),
    registry,
    requests: new RequestWindow(settings, clock.monotonic()),
    turns: new Turns(clock, log, () => json.rest()),
    measures,
    backlog: { bytes: 0 },
    limits: limitsOf(settings),
  };
  const closed = (): Failure | undefined => (phase === 'serving' ? undefined : goingAway());
  const polling = new Polling(around, closed);
  const app = uWS.App();
  serveWebSocket(app, around, closed);
  polling.serve(app);
  serveHealth(app, {
    verify: options.verify,
    notReady: () => (phase === 'serving' ? options.notReady() : drainReason),
    status: () => ({ ...options.status(), gateway: stats() }),
  });

  const stats = (): GatewayStats => ({
    connections: around.peers.connections,
    polls: polling.count,
    requests: around.requests.waiting,
    unsentBytes: around.backlog.bytes,
    framesIn: measures.framesIn,
    framesOut: measures.framesOut,
    sent: measures.sent,
    sentPerSecond: measures.sentPerSecond,
    sentP50Ms: measures.sentDurations.quantileMs(0.5),
    sentP99Ms: measures.sentDurations.quantileMs(0.99),
    errors: Object.fromEntries(measures.errors),
  });

  const sweeper = clock.every(SWEEP_MS / SWEEP_PARTS, () => {
    around.turns.second = Math.floor(clock.monotonic() / 1000);
    registry.sweep(around.turns.second, SWEEP_PARTS);
  });
  const windows = clock.every(WINDOW_MS, () => measures.turnWindow(clock.monotonic()));

  const until = (quiet: () => boolean, withinMs: number): Promise<void> =>
    new Promise((resolve) => {
      const deadline = clock.monotonic() + withinMs;
      const timer = clock.every(QUIET_CHECK_MS, () => {
        if (!quiet() && clock.monotonic() < deadline) return;
        timer.cancel();
        resolve();
      });
    });

  async function drain(reason: string): Promise<void> {
    if (phase !== 'serving') return;
    drainReason = reason;
    phase = 'leaving';
    log.info('gateway-drains', { reason, connections: around.peers.connections });
    for (const receiver of [...registry.all()]) receiver.goaway(reason, settings.drainNoticeMs);
    await until(() => registry.size === 0, settings.drainNoticeMs);
    phase = 'closing';
    await until(() => around.requests.waiting === 0, settings.drainAnswersMs);
    for (const receiver of [...registry.all()]) receiver.close(CLOSE.goingAway, reason);
    await until(() => registry.size === 0, QUIET_CHECK_MS);
  }

  async function close(): Promise<void> {
    if (phase === 'serving') drainReason = 'closed';
    phase = 'closing';
    sweeper.cancel();
    windows.cancel();
    app.close();
    around.turns.stop();
  }

  return new Promise((resolve, reject) => {
    listenAlone(app, settings.host, settings.port, (socket) => {
      if (socket !== false) return resolve({ port: uWS.us_socket_local_port(socket), sessions: registry, stats, drain, close });
      sweeper.cancel();
      windows.cancel();
      reject(new Failure('unavailable', `can't listen on ${settings.host}, port ${settings.port}`));
    });
  });
}

/** LIBUS_LISTEN_EXCLUSIVE_PORT: two nodes that share a port would each have half of the clients. */
const ALONE = 1;

/** `listen` with a host and options, which the types of uWebSockets.js leave out. */
function listenAlone(app: uWS.TemplatedApp, host: string, port: number, listening: (socket: uWS.us_listen_socket | false) => void): void {
  Reflect.apply(app.listen, app, [host, port, ALONE, listening]);
}

/** What `welcome` tells the client it is held to (PROTOCOL 3.8.1). */
function limitsOf(settings: GatewaySettings): object {
  const { frameBytesMax, messageBytesMax, framesPerMessageMax, bodyBytesMax, bodyDepthMax, pageEntriesMax } = settings;
  const { groupMembersMax, titleCharsMax, devicesMax, watchMax, rates, ratesOn } = settings;
  const sizes = { frameBytesMax, messageBytesMax, framesPerMessageMax, bodyBytesMax, bodyDepthMax, pageEntriesMax };
  return { ...sizes, groupMembersMax, titleCharsMax, devicesMax, watchMax, ...(ratesOn ? { rates } : {}) };
}
