import { Failure } from '../failure.ts';
import type { Row, Store } from '../storage/store.ts';
import type { Reading } from './actor.ts';

/** Runs a reading against the store: its reads of one step go out together. */
export async function perform<Result>(store: Store, reading: Reading<Result>): Promise<Result> {
  let step = reading.next([]);
  while (!step.done) {
    const reads = step.value;
    const only = reads[0];
    const rows: (readonly Row[])[] =
      reads.length === 1 && only !== undefined ? [await store.read(only)] : await Promise.all(reads.map((read) => store.read(read)));
    step = reading.next(rows);
  }
  return step.value;
}

/** Lets at most `atOnceMax` readings run at a time and `waitingMax` wait; one more is refused. */
export class ReadGate {
  readonly #atOnceMax: number;
  readonly #waitingMax: number;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(atOnceMax: number, waitingMax: number) {
    this.#atOnceMax = atOnceMax;
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async enter<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#atOnceMax) {
      if (this.#waiting.length >= this.#waitingMax) {
        throw new Failure('overloaded', 'too many reads are waiting for the store; ask again later', { retryAfterMs: 1000 });
      }
      await new Promise<void>((resume) => this.#waiting.push(resume));
    } else this.#running += 1;
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
