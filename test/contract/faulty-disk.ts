import { setImmediate as turn } from 'node:timers/promises';
import type { Disk, DiskBatch } from '../../src/storage/disk.ts';

/** Long enough for others to be submitted behind a write that will fail. */
const TURNS_TO_FAIL = 10;

type Ending = 'fails' | 'fails-but-stores' | 'hangs';

/** A disk that fails, hangs or is full when a test says so. */
export class FaultyDisk implements Disk {
  readonly #disk: Disk;
  #next: Ending[] = [];
  #release: (() => void)[] = [];
  #reopenFailures = 0;
  freeBytesNow: number | undefined;
  readsFail = false;
  reopened = 0;
  /** How many rows each write that was begun had. */
  readonly batches: number[] = [];

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** What becomes of the next writes, one each. */
  nextWrite(...endings: readonly Ending[]): void {
    this.#next.push(...endings);
  }

  nextReopensFail(times: number): void {
    this.#reopenFailures = times;
  }

  /** Lets every write that hangs go on. */
  release(): void {
    for (const release of this.#release.splice(0)) release();
  }

  batch(): DiskBatch {
    const batch = this.#disk.batch();
    let rows = 0;
    return {
      put: (key, value) => {
        rows += 1;
        batch.put(key, value);
      },
      del: (key) => {
        rows += 1;
        batch.del(key);
      },
      write: async () => {
        this.batches.push(rows);
        const ending = this.#next.shift();
        if (ending === 'hangs') await new Promise<void>((resolve) => this.#release.push(resolve));
        if (ending === 'fails') {
          batch.drop();
          for (let turns = 0; turns < TURNS_TO_FAIL; turns++) await turn();
          throw new Error('IO error: no space left on device');
        }
        await batch.write();
        if (ending === 'fails-but-stores') throw new Error('IO error: the answer was lost');
      },
      drop: () => batch.drop(),
    };
  }

  async getMany(keys: readonly string[]): ReturnType<Disk['getMany']> {
    if (this.readsFail) throw new Error('IO error: a bad block');
    return this.#disk.getMany(keys);
  }

  range(range: Parameters<Disk['range']>[0]): ReturnType<Disk['range']> {
    if (this.readsFail) throw new Error('IO error: a bad block');
    return this.#disk.range(range);
  }

  async freeBytes(): Promise<number> {
    return this.freeBytesNow ?? this.#disk.freeBytes();
  }

  async reopen(): Promise<void> {
    this.reopened += 1;
    if (this.#reopenFailures > 0) {
      this.#reopenFailures -= 1;
      throw new Error('IO error: not yet');
    }
    await this.#disk.reopen();
  }

  close(): Promise<void> {
    return this.#disk.close();
  }
}
