import { setTimeout as pause } from 'node:timers/promises';

/** Waits until a condition holds, and fails with its name if it doesn't in time. */
export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`not in ${withinMs} ms: ${what}`);
    await pause(5);
  }
}
