import { type Batch, batchOf, countEntries, type Entry, lastEntry, unpackEntries } from './entry.ts';

/** What a part takes in memory beside its bytes. */
const PART_BYTES = 120;

/**
 * The newest entries of a conversation, without a gap, as they came: packed, one batch a part. An object for each would
 * outlive V8's young generation, to be dropped when some more have come.
 */
export class EntryCache {
  /** How many entries there are. */
  size: number;
  /** Some parts are pieces of larger buffers; see `compact`. */
  loose = false;
  private parts: Uint8Array[];
  /** What was asked for, until something changes. */
  private unpacked: readonly Entry[] | undefined = undefined;

  /** Begins with one packed entry, or none. */
  constructor(last: Uint8Array | undefined) {
    this.parts = last === undefined ? [] : [last];
    this.size = this.parts.length;
  }

  /** What they take in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const part of this.parts) bytes += PART_BYTES + part.length;
    return bytes;
  }

  /** The newest one, packed. */
  get last(): Uint8Array | undefined {
    const part = this.parts.at(-1);
    return part === undefined ? undefined : lastEntry(part);
  }

  /** Adds what follows the last one; of all there are now, at least the newest `most` (one or more) stay, and less than twice as many. */
  add(batch: Batch, most: number): void {
    const { conversation, entries } = batch;
    const { packed } = entries.length <= most ? batch : batchOf(conversation, entries.slice(-most));
    this.unpacked = undefined;
    this.parts.push(packed);
    this.size += Math.min(entries.length, most);
    this.loose = true;
    for (;;) {
      const oldest = countEntries(this.parts[0] as Uint8Array);
      if (this.size - oldest < most) break;
      this.parts.shift();
      this.size -= oldest;
    }
  }

  /** In ascending order. */
  entries(): readonly Entry[] {
    this.unpacked ??= this.parts.flatMap((part) => unpackEntries(part));
    return this.unpacked;
  }

  /** Takes these instead. */
  replace(entries: readonly Entry[]): void {
    this.unpacked = undefined;
    this.parts = entries.map(({ packed }) => packed);
    this.size = entries.length;
    this.loose = true;
  }

  /** Moves all bytes to `to`, which is the cache's own from `at` on; returns where they end. */
  moveTo(to: Uint8Array, at: number): number {
    this.unpacked = undefined;
    let end = at;
    // Parts stay apart, since `add` drops whole ones.
    this.parts = this.parts.map((part) => {
      to.set(part, end);
      end += part.length;
      return to.subarray(end - part.length, end);
    });
    this.loose = false;
    return end;
  }

  /** The bytes of the entries alone. */
  get packedBytes(): number {
    let bytes = 0;
    for (const part of this.parts) bytes += part.length;
    return bytes;
  }
}
