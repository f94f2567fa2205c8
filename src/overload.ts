import type { Clock } from './clock.ts';
import { Failure } from './failure.ts';

export interface OverloadSettings {
  /** Commands waiting in all mailboxes above which no new work is taken. */
  readonly waitingMax: number;
  /** How late the process may come to what it has to do; twice in a row, since anything may hold it up once. */
  readonly lagMaxMs: number;
  readonly retryMs: number;
}

export interface Overload {
  /** Why no more work is taken at this moment. */
  shed(): Failure | undefined;
  /** Why nothing can be stored at this moment. Refused here, a send costs its user's actor nothing. */
  refusesWrites(): Failure | undefined;
  lagMs(): number;
  stop(): void;
}

const LOOK_EVERY_MS = 20;

/**
 * Watches whether the node can take more work. Refusing early is what keeps the work that was accepted
 * fast: a client that is told `overloaded` waits, one that isn't told waits in a queue.
 */
export function watchOverload(
  clock: Clock,
  settings: OverloadSettings,
  waiting: () => number,
  refusing: () => string | undefined,
): Overload {
  let lookedAt = clock.monotonic();
  let lagMs = 0;
  let refusal: Failure | undefined;
  let noWrites: Failure | undefined;
  const look = (): void => {
    const now = clock.monotonic();
    const before = lagMs;
    lagMs = Math.max(0, now - lookedAt - LOOK_EVERY_MS);
    lookedAt = now;
    const reason = refusing();
    noWrites =
      reason === undefined ? undefined : new Failure('unavailable', `nothing was stored: ${reason}`, { retryAfterMs: settings.retryMs });
    const full = waiting() > settings.waitingMax || Math.min(before, lagMs) > settings.lagMaxMs;
    if (!full) refusal = undefined;
    else refusal ??= new Failure('overloaded', 'this node has more to do than it can; try again later', { retryAfterMs: settings.retryMs });
  };
  const timer = clock.every(LOOK_EVERY_MS, look);
  return { shed: () => refusal, refusesWrites: () => noWrites, lagMs: () => lagMs, stop: () => timer.cancel() };
}
