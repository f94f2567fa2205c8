import type { Log } from '../log.ts';

/** Knows whether the disk has room, and says so in the log when that changes. */
export class FreeSpace {
  readonly #floorBytes: number;
  readonly #measure: () => Promise<number>;
  readonly #log: Log;
  #bytes: number | undefined;
  #measuring: Promise<void> | undefined;
  #below = false;

  constructor(floorBytes: number, measure: () => Promise<number>, log: Log) {
    this.#floorBytes = floorBytes;
    this.#measure = measure;
    this.#log = log;
  }

  get below(): boolean {
    return this.#below;
  }

  /** Undefined: it couldn't be measured. */
  get bytes(): number | undefined {
    return this.#bytes;
  }

  /** Measures again; one measurement at a time, because a disk that hangs answers none. */
  check(): Promise<void> {
    this.#measuring ??= this.#check().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  async #check(): Promise<void> {
    try {
      this.#bytes = await this.#measure();
    } catch (error) {
      // Unknown isn't full: a disk that is full fails the writes themselves.
      this.#bytes = undefined;
      this.#log.warn('free-space-unknown', { error });
    }
    const below = this.#bytes !== undefined && this.#bytes < this.#floorBytes;
    if (below === this.#below) return;
    this.#below = below;
    const fields = { freeBytes: this.#bytes, floorBytes: this.#floorBytes };
    if (below) this.#log.error('disk-nearly-full', fields);
    else this.#log.info('disk-has-room', fields);
  }
}
