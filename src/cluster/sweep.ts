/** What a sweep needs of an activation. */
export interface Swept {
  /** Steady. */
  readonly lastActive: number;
  readonly tidiedAt: number;
  readonly measuredAt: number;
  readonly bytes: number;
  /** Something is to be written or told before it is unloaded. */
  readonly unclosed: boolean;
  /** It may be unloaded. */
  readonly idle: boolean;
  /** Drops what it needn't hold. */
  tidy(): void;
  /** Estimates `bytes`. */
  measure(): void;
  close(): void;
}

export interface SweepSettings {
  /** An activation that had nothing to do for this long is unloaded. */
  readonly passivateAfterMs: number;
  /** Above this, idle activations are unloaded, least recently used first. */
  readonly activationBytesMax: number;
  /**
   * Memory of an activation is estimated, and what it needn't hold is dropped, in the first round after so long. While it is
   * busy, so that what it holds is soon something else, that is dropped only after `TIDY_BUSY_EVERY` times as long.
   */
  readonly tidyEveryMs: number;
}

/** To be called this often. */
export const SWEEP_TICK_MS = 10;
/** A round over few activations takes a second. */
const TICKS_MIN = 100;
/** Over more than 20,000 it takes longer, since no tick visits more than this, which takes half a millisecond … */
const VISITS_FEW = 200;
/** … but never longer than ten seconds. */
const TICKS_MAX = 1000;
/** How much faster it goes while memory is short. */
const HURRY = 4;
const TIDY_BUSY_EVERY = 6;
/** Sorted in a millisecond. */
const SAMPLES_MAX = 4096;
/** Steps of this on a circle leave no two points close to one another. */
export const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/**
 * Goes round all activations, a few at a time, so that nobody waits for it: tidies them, adds up their memory, and unloads
 * those that are idle. Where memory is short, a sample of the idle ones from the round before says how long ago those
 * were used that have to go.
 */
export class Sweep<Host extends Swept> {
  readonly #settings: SweepSettings;
  readonly #hosts: () => Iterator<Host>;
  readonly #unload: (host: Host) => void;
  readonly #crashed: (host: Host, error: unknown) => void;
  #round: Iterator<Host> | undefined;
  #sampleEvery = 1;
  #untilSample = 0;
  #spread = 0;
  #samples: { readonly lastActive: number; readonly bytes: number }[] = [];
  #sum = 0;
  #bytes = 0;
  /** What is still to be unloaded in this round, of those last used before the other. */
  #bytesToFree = 0;
  #usedBefore = 0;

  /** `crashed` hears of an activation whose code threw. */
  constructor(
    settings: SweepSettings,
    hosts: () => Iterator<Host>,
    unload: (host: Host) => void,
    crashed: (host: Host, error: unknown) => void,
  ) {
    this.#settings = settings;
    this.#hosts = hosts;
    this.#unload = unload;
    this.#crashed = crashed;
  }

  /** Memory of all activations, as of the last round. */
  get bytes(): number {
    return this.#bytes;
  }

  /** One tick's share of `total` activations. */
  tick(now: number, total: number): void {
    const usual = Math.max(Math.min((total + 1) / TICKS_MIN, VISITS_FEW), total / TICKS_MAX);
    const visits = Math.ceil(this.#bytesToFree > 0 ? usual * HURRY : usual);
    if (this.#round === undefined) {
      this.#round = this.#hosts();
      this.#sampleEvery = Math.ceil((total + 1) / SAMPLES_MAX);
    }
    for (let i = 0; i < visits; i++) {
      const next = this.#round.next();
      if (next.done) {
        this.#endRound();
        return;
      }
      try {
        this.#visit(next.value, now);
      } catch (error) {
        this.#crashed(next.value, error);
      }
    }
  }

  #visit(host: Host, now: number): void {
    const { tidyEveryMs, passivateAfterMs } = this.#settings;
    if (now - host.measuredAt >= tidyEveryMs) {
      const busy = now - host.lastActive < tidyEveryMs / 4;
      if (!busy || now - host.tidiedAt >= tidyEveryMs * TIDY_BUSY_EVERY) host.tidy();
      host.measure();
    }
    if (this.#unloads(host, now, passivateAfterMs)) return;
    this.#sum += host.bytes;
    if (this.#untilSample-- <= 0) this.#sample(host);
  }

  /** Unloads the activation where it is time, or writes what has to be written before. */
  #unloads(host: Host, now: number, passivateAfterMs: number): boolean {
    const { bytes, lastActive } = host;
    const tooMuch = this.#bytesToFree > 0 && lastActive <= this.#usedBefore;
    if ((!tooMuch && now - lastActive <= passivateAfterMs) || !host.idle) return false;
    if (host.unclosed) {
      host.close();
      return false;
    }
    if (tooMuch) this.#bytesToFree -= bytes;
    this.#unload(host);
    return true;
  }

  /** Steps are uneven, or they might go along with something else that recurs. */
  #sample(host: Host): void {
    this.#spread = (this.#spread + GOLDEN_RATIO) % 1;
    this.#untilSample = Math.floor((2 * this.#sampleEvery - 1) * this.#spread);
    if (host.idle) this.#samples.push({ lastActive: host.lastActive, bytes: host.bytes });
  }

  #endRound(): void {
    this.#round = undefined;
    this.#bytes = this.#sum;
    this.#bytesToFree = this.#sum - this.#settings.activationBytesMax;
    if (this.#bytesToFree > 0) {
      this.#samples.sort((one, other) => one.lastActive - other.lastActive);
      let freed = 0;
      for (const { lastActive, bytes } of this.#samples) {
        this.#usedBefore = lastActive;
        freed += bytes * this.#sampleEvery;
        if (freed >= this.#bytesToFree) break;
      }
    }
    this.#samples = [];
    this.#sum = 0;
  }
}
