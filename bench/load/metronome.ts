import { parentPort, workerData } from 'node:worker_threads';

/**
 * A thread that says "now" every so many milliseconds, by the time that was meant, of the epoch. Timers of
 * an event loop are a millisecond too coarse, and an event loop that watches the clock instead takes a core
 * from the server. What is late is told at once.
 */
const { everyMs } = workerData as { readonly everyMs: number };
const sleep = new Int32Array(new SharedArrayBuffer(4));
for (let next = performance.now() + everyMs; ; next += everyMs) {
  const left = next - performance.now();
  if (left > 0) Atomics.wait(sleep, 0, 0, left);
  parentPort?.postMessage(performance.timeOrigin + next);
}
