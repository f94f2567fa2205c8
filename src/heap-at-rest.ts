import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

export interface RestSettings {
  /** How often the node is looked at. */
  readonly restLookMs: number;
  /** Below this share of one core it is at rest. */
  readonly restCpuPercent: number;
  /** How many bytes of old objects must have come since the last collection; half of what there was then, if that is more. */
  readonly restGrownBytes: number;
  /** A heap with more old objects than this isn't collected: the pause is about a millisecond for each megabyte. */
  readonly restHeapBytesMax: number;
}

/** What is needed of the process. */
export interface Heap {
  /** Bytes of objects that have outlived their youth, dead ones included. */
  oldBytes(): number;
  /** Memory that is kept for young objects, however few there are. */
  youngBytes(): number;
  /** CPU time of the process so far. */
  cpuMs(): number;
  collect(): void;
}

/**
 * V8 keeps up to 32 MiB for young objects once it had that many, and gives all but one back in a collection that finds that
 * few came since the one before; so one at rest may have to be followed by some.
 */
const YOUNG_SMALL_BYTES = 4 * 2 ** 20;
const FOLLOWING_MAX = 3;

/**
 * V8 looks for dead old objects when there are more of them, and gives memory back after it has looked. So a node that
 * many have just logged in to, and that is quiet since, keeps what their logins left: as much again as they need. At
 * rest, when nobody notices the pause, it is asked to look. Returns what ends this.
 */
export function collectAtRest(clock: Clock, heap: Heap, settings: RestSettings, log: Log): { stop(): void } {
  let cpuMs = heap.cpuMs();
  let lookedAt = clock.monotonic();
  let floor = heap.oldBytes();
  let following = 0;
  const timer = clock.every(settings.restLookMs, () => {
    const now = clock.monotonic();
    const used = heap.cpuMs();
    const busyPercent = ((used - cpuMs) / (now - lookedAt)) * 100;
    cpuMs = used;
    lookedAt = now;
    const before = heap.oldBytes();
    floor = Math.min(floor, before);
    if (busyPercent >= settings.restCpuPercent || before > settings.restHeapBytesMax) return;
    if (before - floor >= Math.max(settings.restGrownBytes, floor / 2)) following = FOLLOWING_MAX;
    else if (following > 0 && heap.youngBytes() > YOUNG_SMALL_BYTES) following -= 1;
    else return;
    const began = clock.monotonic();
    heap.collect();
    floor = heap.oldBytes();
    log.debug('collected-at-rest', { before, after: floor, tookMs: clock.monotonic() - began });
  });
  return { stop: () => timer.cancel() };
}
