import type { Clock, Timer } from '../clock.ts';

/** Alarms at a resolution of `tickMs`, for any number of holders at the cost of one timer. */
export class Alarms<Holder extends object> {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #ring: (holder: Holder) => void;
  readonly #due = new Map<Holder, number>();
  readonly #buckets = new Map<number, Set<Holder>>();
  readonly #timer: Timer;
  #tick: number;

  constructor(clock: Clock, tickMs: number, ring: (holder: Holder) => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#ring = ring;
    this.#tick = this.#tickAt(clock.monotonic());
    this.#timer = clock.every(tickMs, () => this.#advance());
  }

  /** Rings once after `afterMs`, or earlier where that was asked for already. */
  set(holder: Holder, afterMs: number): void {
    const tick = Math.max(this.#tick + 1, this.#tickAt(this.#clock.monotonic() + afterMs) + 1);
    const before = this.#due.get(holder);
    if (before !== undefined) {
      if (before <= tick) return;
      this.#buckets.get(before)?.delete(holder);
    }
    this.#due.set(holder, tick);
    const bucket = this.#buckets.get(tick);
    if (bucket === undefined) this.#buckets.set(tick, new Set([holder]));
    else bucket.add(holder);
  }

  /** How many are to ring. */
  get size(): number {
    return this.#due.size;
  }

  stop(): void {
    this.#timer.cancel();
  }

  #tickAt(monotonicMs: number): number {
    return Math.floor(monotonicMs / this.#tickMs);
  }

  #advance(): void {
    const now = this.#tickAt(this.#clock.monotonic());
    while (this.#tick < now) {
      this.#tick += 1;
      const bucket = this.#buckets.get(this.#tick);
      if (bucket === undefined) continue;
      this.#buckets.delete(this.#tick);
      for (const holder of bucket) {
        this.#due.delete(holder);
        this.#ring(holder);
      }
    }
  }
}
