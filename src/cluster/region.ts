import type { Clock, Timer } from '../clock.ts';
import { Failure } from '../failure.ts';
import type { Log } from '../log.ts';
import type { Store } from '../storage/store.ts';
import { type ActorKind, type Address, ALARM, type Command, type Effect, type Sessions } from './actor.ts';
import { ActorHost } from './actor-host.ts';
import { Alarms } from './alarms.ts';
import { Executor, type TurnTaker } from './executor.ts';
import { perform, ReadGate } from './reading.ts';
import type { Ring } from './ring.ts';
import type { HostSettings, Surroundings } from './surroundings.ts';
import { GOLDEN_RATIO, SWEEP_TICK_MS, Sweep, type SweepSettings } from './sweep.ts';

export interface RegionSettings extends HostSettings, SweepSettings {
  /** Dirty derived rows are written at most this long after they changed, where few actors have any. */
  readonly deriveEveryMs: number;
  /** Actors that write theirs in a second; where there are more, each waits for longer and writes for more changes at once … */
  readonly derivesPerSecond: number;
  /** … but no longer than this. */
  readonly deriveEveryMaxMs: number;
  readonly readsAtOnceMax: number;
  readonly readsWaitingMax: number;
  /** The resolution of alarms. */
  readonly alarmTickMs: number;
}

export const defaultRegionSettings: RegionSettings = {
  turnCommandsMax: 64,
  turnMs: 2,
  mailboxClientMax: 2048,
  mailboxMax: 16384,
  crashWindowMs: 60_000,
  quarantineFirstMs: 250,
  quarantineMaxMs: 60_000,
  restorePauseMaxMs: 2_000,
  deriveEveryMs: 3_000,
  derivesPerSecond: 1_000,
  deriveEveryMaxMs: 10_000,
  passivateAfterMs: 120_000,
  activationBytesMax: 1024 * 1024 * 1024,
  tidyEveryMs: 10_000,
  readsAtOnceMax: 256,
  readsWaitingMax: 16_384,
  alarmTickMs: 20,
};

export interface RegionStats {
  /** Activations by kind. */
  readonly loaded: Readonly<Record<string, number>>;
  /** Commands that wait in mailboxes. */
  readonly waiting: number;
  readonly bytes: number;
  readonly readsWaiting: number;
  /** Counts since the start. */
  readonly crashes: number;
  readonly shed: number;
  /** Reads beside the turns that failed: pages, pulls, redeliveries. */
  readonly looksFailed: number;
  readonly restored: number;
  readonly passivated: number;
}

/** Erased to what the region needs; each kind's own types are joined again inside its host. */
type AnyKind = ActorKind<never, never, never>;
type AnyHost = ActorHost<never, Command, never>;

/** The resolution at which derived rows are written. */
const FLUSH_TICK_MS = 10;

export interface RegionParts {
  readonly node: string;
  readonly ring: Ring;
  readonly store: Store;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: RegionSettings;
  readonly kinds: readonly unknown[];
}

/** This node's activations: activates on the first command, unloads the idle, carries out effects. */
export class Region {
  readonly #parts: RegionParts;
  readonly #kinds = new Map<string, AnyKind>();
  readonly #hosts = new Map<string, Map<string, AnyHost>>();
  readonly #executor: Executor;
  readonly #alarms: Alarms<AnyHost>;
  readonly #reads: ReadGate;
  readonly #around: Surroundings;
  readonly #sweeper: Timer;
  readonly #sweep: Sweep<AnyHost>;
  readonly #flushes: Alarms<AnyHost>;
  #spread = 0;
  readonly #count = { waiting: 0 };
  #crashes = 0;
  #losses = 0;
  #shed = 0;
  #looksFailed = 0;
  #restored = 0;
  #passivated = 0;
  #draining = false;
  #halted = false;

  constructor(parts: RegionParts) {
    this.#parts = parts;
    for (const kind of parts.kinds as readonly AnyKind[]) {
      this.#kinds.set(kind.kind, kind);
      this.#hosts.set(kind.kind, new Map());
    }
    this.#executor = new Executor(parts.node, parts.clock, (taker, error) => this.#crashed(taker as AnyHost, error));
    this.#reads = new ReadGate(parts.settings.readsAtOnceMax, parts.settings.readsWaitingMax);
    this.#alarms = new Alarms(parts.clock, parts.settings.alarmTickMs, (host) => this.#carryOut(host, host.tell(ALARM, undefined)));
    this.#around = this.#surroundings();
    this.#flushes = new Alarms(parts.clock, FLUSH_TICK_MS, (host) => host.flush());
    this.#sweep = new Sweep(
      parts.settings,
      () => this.#all(),
      (host) => this.#passivate(host),
      (host, error) => this.#crashed(host, error),
    );
    this.#sweeper = parts.clock.every(SWEEP_TICK_MS, () => this.#sweepSome());
  }

  tell(to: Address, command: Command): void {
    if (this.#halted) return;
    this.#tell(to, command, undefined);
  }

  #tell(to: Address, command: Command, losses: number | undefined): void {
    const host = this.#host(to);
    const effects = host.tell(command, losses);
    if (effects.length > 0) this.#carryOut(host, effects);
  }

  /** Commands that wait in mailboxes, now. */
  get waiting(): number {
    return this.#count.waiting;
  }

  stats(): RegionStats {
    const loaded: Record<string, number> = {};
    for (const [kind, hosts] of this.#hosts) loaded[kind] = hosts.size;
    return {
      loaded,
      waiting: this.#count.waiting,
      bytes: this.#sweep.bytes,
      readsWaiting: this.#reads.waiting,
      crashes: this.#crashes,
      shed: this.#shed,
      looksFailed: this.#looksFailed,
      restored: this.#restored,
      passivated: this.#passivated,
    };
  }

  /** Lets what is under way end, writes all derived rows, and stops. Gives up after `withinMs`. */
  async drain(withinMs: number): Promise<void> {
    this.#draining = true;
    this.#sweeper.cancel();
    const until = this.#parts.clock.monotonic() + withinMs;
    for (;;) {
      let busy = false;
      for (const host of this.#all()) {
        if (host.unclosed) host.close();
        if (!host.quiet || host.unclosed) busy = true;
      }
      if (!busy || this.#parts.clock.monotonic() > until) break;
      await new Promise<void>((resolve) => this.#parts.clock.after(5, resolve));
    }
    this.halt();
  }

  /** Stops at once, as it is: nothing more is told or written. */
  halt(): void {
    this.#halted = true;
    this.#draining = true;
    this.#sweeper.cancel();
    this.#alarms.stop();
    this.#flushes.stop();
    for (const host of this.#all()) host.end();
    for (const hosts of this.#hosts.values()) hosts.clear();
    this.#executor.stop();
  }

  /** No command waits and no write is under way, anywhere. */
  get quiet(): boolean {
    for (const host of this.#all()) if (!host.quiet || !host.active) return false;
    return true;
  }

  #host(address: Address): AnyHost {
    const hosts = this.#hosts.get(address.kind);
    const kind = this.#kinds.get(address.kind);
    if (hosts === undefined || kind === undefined) throw new Error(`no actors of the kind ${address.kind} here`);
    let host = hosts.get(address.id);
    if (host === undefined) {
      host = new ActorHost(address, kind as never, this.#around) as unknown as AnyHost;
      hosts.set(address.id, host);
      this.#restored += 1;
    }
    return host;
  }

  *#all(): Generator<AnyHost> {
    for (const hosts of this.#hosts.values()) yield* hosts.values();
  }

  #carryOut(host: TurnTaker, effects: readonly Effect[]): void {
    if (this.#halted) return;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'tell':
          this.#tell(effect.to, effect.command, undefined);
          break;
        case 'emit':
          this.#parts.sessions.emit(effect.session, effect.tag, effect.frame);
          break;
        case 'close':
          this.#parts.sessions.close(effect.session, effect.code, effect.reason);
          break;
        case 'alarm':
          this.#alarms.set(host as AnyHost, effect.afterMs);
          break;
        case 'look':
          this.#look(host, effect);
          break;
      }
    }
  }

  #look(host: TurnTaker, effect: Extract<Effect, { kind: 'look' }>): void {
    this.#reads
      .enter(() => perform(this.#parts.store, effect.look()))
      .then(
        (effects) => this.#carryOut(host, effects),
        (error: unknown) => {
          this.#looksFailed += 1;
          if (!(error instanceof Failure)) this.#parts.log.error('look-failed', { error });
          this.#carryOut(host, effect.failed(Failure.from(error)));
        },
      );
  }

  #surroundings(): Surroundings {
    const { clock, store, settings, ring, log } = this.#parts;
    return {
      settings,
      epochOf: (address) => ring.epochOf(address),
      ordered: store.traits.ordered,
      count: this.#count,
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      run: (host) => this.#executor.run(host),
      write: (writes) => store.write(writes),
      perform: (reading) => this.#reads.enter(() => perform(store, reading)),
      carryOut: (host, effects) => this.#carryOut(host, effects),
      tellEarly: (effects) => {
        for (const effect of effects) if (effect.kind === 'tell') this.#tell(effect.to, effect.command, this.#losses);
      },
      losses: () => this.#losses,
      lost: () => {
        this.#losses += 1;
      },
      flushLater: (host) => this.#flushLater(host),
      later: (delayMs, wakeUp) => {
        clock.after(delayMs, wakeUp);
      },
      crashed: (address, command, error) => {
        this.#crashes += 1;
        log.error('actor-crashed', { actor: `${address.kind}/${address.id}`, command: command?.kind, error });
      },
      shed: () => {
        this.#shed += 1;
      },
    };
  }

  #crashed(host: AnyHost, error: unknown): void {
    try {
      host.crashedOutside(error);
    } catch (second) {
      this.#parts.log.error('crash-not-handled', { actor: `${host.address.kind}/${host.address.id}`, error: second });
    }
  }

  #sweepSome(): void {
    if (this.#draining) return;
    let total = 0;
    for (const hosts of this.#hosts.values()) total += hosts.size;
    this.#sweep.tick(this.#parts.clock.monotonic(), total);
  }

  /** Its derived rows changed: they are written in time, and not all at once where many changed at once. */
  #flushLater(host: TurnTaker): void {
    const { deriveEveryMs, derivesPerSecond, deriveEveryMaxMs } = this.#parts.settings;
    // On the average they wait for three quarters of what the slowest do.
    const forAll = (this.#flushes.size / derivesPerSecond / 0.75) * 1000;
    const slowest = Math.min(Math.max(deriveEveryMs, forAll), deriveEveryMaxMs);
    this.#spread = (this.#spread + GOLDEN_RATIO) % 1;
    this.#flushes.set(host as AnyHost, (slowest * (1 + this.#spread)) / 2);
  }

  #passivate(host: AnyHost): void {
    host.end();
    this.#hosts.get(host.address.kind)?.delete(host.address.id);
    this.#passivated += 1;
  }
}
