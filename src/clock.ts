/**
 * Time as the server sees it. Only this file and `main.ts` touch timers, `Date` and `performance`,
 * so a simulation can own time.
 */
export interface Clock {
  /** Milliseconds since 1970; may step. For `at` and `until`. */
  now(): number;
  /** Milliseconds, with fractions, since some moment; never steps. For deadlines and durations. */
  monotonic(): number;
  /** Runs `action` once after `delayMs`. Doesn't keep the process alive. */
  after(delayMs: number, action: () => void): Timer;
  /** Runs `action` every `periodMs` until cancelled. Doesn't keep the process alive. */
  every(periodMs: number, action: () => void): Timer;
  /** Runs `action` when the current event-loop turn has handled what is ready now. */
  soon(action: () => void): void;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, action) {
    const timer = setInterval(action, periodMs);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
  soon: (action) => {
    setImmediate(action);
  },
};
