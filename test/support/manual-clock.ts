import type { Clock, Timer } from '../../src/clock.ts';

interface Due {
  at: number;
  readonly everyMs: number | undefined;
  readonly action: () => void;
}

/** A clock that moves only when it is told to, so that tests wait for nothing. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #stepped = 0;
  #due = new Set<Due>();

  now(): number {
    return 1_700_000_000_000 + this.#now + this.#stepped;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): Timer {
    return this.#add({ at: this.#now + delayMs, everyMs: undefined, action });
  }

  every(periodMs: number, action: () => void): Timer {
    return this.#add({ at: this.#now + periodMs, everyMs: periodMs, action });
  }

  soon(action: () => void): void {
    setImmediate(action);
  }

  get timers(): number {
    return this.#due.size;
  }

  /** Sets the time that people see, and nothing else, forwards or backwards. */
  step(byMs: number): void {
    this.#stepped += byMs;
  }

  /** Moves time on, running what becomes due in order of its time. */
  advance(byMs: number): void {
    const until = this.#now + byMs;
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#due) if (due.at <= until && (next === undefined || due.at < next.at)) next = due;
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.everyMs === undefined) this.#due.delete(next);
      else next.at += next.everyMs;
      next.action();
    }
    this.#now = until;
  }

  #add(due: Due): Timer {
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }
}
