import type { PumpSettings } from './pump.ts';
import type { ReadWindowSettings } from './read-window.ts';

export interface LevelSettings extends PumpSettings, ReadWindowSettings {
  /** With less than this free, writes are refused. */
  readonly freeBytesMin: number;
  readonly freeCheckMs: number;
  /** Between attempts to open the files again after a failed write. */
  readonly reopenMs: number;
  /** How often deadlines are looked at. */
  readonly tickMs: number;
  /** Rows that a prune removes at a time; other writes go between. */
  readonly pruneRowsMax: number;
}

export const defaultLevelSettings: LevelSettings = {
  // 5,000 rows or 15 ms of writing: more would only make those who wait, wait longer.
  batchBytesMax: 2 ** 20,
  // Two seconds at the fastest that was measured: beyond that callers have given up.
  pendingBytesMax: 64 * 2 ** 20,
  pendingCallsMax: 200_000,
  queueDeadlineMs: 2000,
  // While LevelDB compacts, a batch takes up to 0.2 s here, and 1.3 s where others take the processors.
  stallMs: 2000,
  // Fewer leave the threads idle between reads (3: a third dearer); these are done in half a millisecond, which a write may wait.
  readsUnderWayMax: 16,
  readsWaitingMax: 10_000,
  // LevelDB needs room for two compactions and what is written between two checks.
  freeBytesMin: 512 * 2 ** 20,
  freeCheckMs: 2000,
  reopenMs: 1000,
  tickMs: 100,
  // Under a millisecond of writing.
  pruneRowsMax: 256,
};
