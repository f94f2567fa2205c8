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
  /** CPU time of the process so far. */
  cpuMs(): number;
  collect(): void;
}

/**
 * V8 looks for dead old objects when there are more of them, and gives memory back after it has looked. So a node that
 * many have just logged in to, and that is quiet since, keeps what their logins left: as much again as they need. At
 * rest, when nobody notices the pause, it is asked to look. Returns what ends this.
 */
export function collectAtRest(clock: Clock, heap: Heap, settings: RestSettings, log: Log): { stop(): void } {
  let cpuMs = heap.cpuMs();
  let lookedAt = clock.monotonic();
  let floor = heap.oldBytes();
  const timer = clock.every(settings.restLookMs, () => {
    const now = clock.monotonic();
    const used = heap.cpuMs();
    const busyPercent = ((used - cpuMs) / (now - lookedAt)) * 100;
    cpuMs = used;
    lookedAt = now;
    const before = heap.oldBytes();
    floor = Math.min(floor, before);
    if (
      busyPercent >= settings.restCpuPercent ||
      before - floor < Math.max(settings.restGrownBytes, floor / 2) ||
      before > settings.restHeapBytesMax
    )
      return;
    const began = clock.monotonic();
    heap.collect();
    floor = heap.oldBytes();
    log.debug('collected-at-rest', { before, after: floor, tookMs: clock.monotonic() - began });
  });
  return { stop: () => timer.cancel() };
}
