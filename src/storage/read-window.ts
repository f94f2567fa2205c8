import type { Clock } from '../clock.ts';
import { Failure } from '../failure.ts';

export interface ReadWindowSettings {
  /** Reads that the engine works on at once. The others wait here, so that a write never waits behind them all. */
  readonly readsUnderWayMax: number;
  /** What may wait; more is refused. */
  readonly readsWaitingMax: number;
  /** A read that couldn't begin within this time is refused. */
  readonly queueDeadlineMs: number;
}

interface Waiting {
  readonly since: number;
  begin(): void;
  reject(failure: Failure): void;
}

const RETRY_MS = 500;
const LEFT_MAX = 1024;

/** Lets a bounded number of reads go on at a time, and a bounded number wait, for a bounded time. */
export class ReadWindow {
  readonly #clock: Clock;
  readonly #settings: ReadWindowSettings;
  #underWay = 0;
  /** From `#head` on; what is before it has left. */
  readonly #waiting: (Waiting | undefined)[] = [];
  #head = 0;

  constructor(clock: Clock, settings: ReadWindowSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#underWay < this.#settings.readsUnderWayMax) return this.#begin(task);
    if (this.#waiting.length - this.#head >= this.#settings.readsWaitingMax) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ since: this.#clock.monotonic(), begin: () => resolve(this.#begin(task)), reject });
    });
  }

  /** To be called several times a second: refuses what has waited too long. */
  tick(): void {
    const limit = this.#clock.monotonic() - this.#settings.queueDeadlineMs;
    for (let next = this.#waiting[this.#head]; next !== undefined && next.since <= limit; next = this.#waiting[this.#head]) {
      this.#leave();
      next.reject(busy());
    }
  }

  async #begin<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#underWay += 1;
    try {
      return await task();
    } finally {
      this.#underWay -= 1;
      this.#next();
    }
  }

  #next(): void {
    const next = this.#waiting[this.#head];
    if (next === undefined) return;
    this.#leave();
    next.begin();
  }

  /** Lets go of the oldest, and now and then of the room it took: some are always waiting under load. */
  #leave(): void {
    this.#waiting[this.#head++] = undefined;
    if (this.#head < this.#waiting.length && this.#head < LEFT_MAX) return;
    this.#waiting.splice(0, this.#head);
    this.#head = 0;
  }
}

export const busy = (): Failure => new Failure('unavailable', 'too much is waiting to be read', { retryAfterMs: RETRY_MS });
