import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Store } from './storage/store.ts';

export interface RetentionSettings {
  /** Between two walks. */
  readonly retentionPauseMs: number;
  /** Users looked at a second: each is loaded if it isn't, which costs a few reads. */
  readonly retentionUsersPerSecond: number;
}

/**
 * Walks over all users for ever, slowly, and wakes each so that it prunes its inbox: those who never connect
 * have events that grow old, too. Returns what ends it.
 */
export function keepRetention(
  clock: Clock,
  store: Store,
  settings: RetentionSettings,
  log: Log,
  wake: (user: string) => void,
): { stop(): void } {
  let after: string | undefined;
  let pausedUntil = clock.monotonic() + settings.retentionPauseMs;
  let looking = false;
  const step = async (): Promise<void> => {
    const users = await store.owners('user', after, settings.retentionUsersPerSecond);
    for (const user of users) wake(user);
    after = users.at(-1);
    if (after === undefined) pausedUntil = clock.monotonic() + settings.retentionPauseMs;
  };
  const timer = clock.every(1000, () => {
    if (looking || clock.monotonic() < pausedUntil) return;
    looking = true;
    step()
      // The store says no; the walk goes on from here in a second.
      .catch((error: unknown) => log.warn('retention-waits', { error }))
      .finally(() => {
        looking = false;
      });
  });
  return { stop: () => timer.cancel() };
}
