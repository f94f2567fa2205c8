import { mkdir } from 'node:fs/promises';
import { systemClock } from '../../src/clock.ts';
import { openLevelStore } from '../../src/storage/leveldb.ts';
import type { Store } from '../../src/storage/store.ts';

/** The embedded engine, as the server opens it. */
export async function openBenchStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true });
  return openLevelStore({ directory, clock: systemClock });
}
