import { assert } from '../assert.ts';

/** 32 bits an id and 8 probes: of new ids 20 in a million are said to be in a full segment, and cost a read of it. */
const BYTES_PER_ID = 4;
/**
 * All bits of one id are in one block, which is a line of the processor's cache (Putze, Sanders and Singler, "Cache-, Hash- and
 * Space-Efficient Bloom Filters", 2007).
 */
const BLOCK_BYTES = 64;
const BLOCK_BITS = 512;
const PROBE_BITS = 9;
const PROBES = 8;
/** Of each hash three probes are taken. */
const WORD_BITS = 3 * PROBE_BITS;
const SEGMENT_IDS_FIRST = 64;
const SEGMENT_IDS_MAX = 4096;
const SMALL_SEGMENTS = 3;

/** How many ids a segment takes: they grow from 64 by four up to 4,096, so that a user who rarely writes costs little. */
export const segmentIds = (segment: number): number => (segment < SMALL_SEGMENTS ? SEGMENT_IDS_FIRST << (2 * segment) : SEGMENT_IDS_MAX);

const filterBytes = (segment: number): number => segmentIds(segment) * BYTES_PER_ID;

/** Where the filters of the small segments begin, and then of the first full one. */
const FILTERS_AT = [0, filterBytes(0), filterBytes(0) + filterBytes(1), filterBytes(0) + filterBytes(1) + filterBytes(2)];
const FILTER_BYTES_MAX = SEGMENT_IDS_MAX * BYTES_PER_ID;

const filterAt = (segment: number): number =>
  (FILTERS_AT[Math.min(segment, SMALL_SEGMENTS)] as number) + Math.max(0, segment - SMALL_SEGMENTS) * FILTER_BYTES_MAX;

/** Most users who are loaded send nothing. */
const NO_BYTES = new Uint8Array(0);

/**
 * Bloom filters of the client ids of one user, one for each segment of them. They lie in one array, because looking
 * through many of them is waiting for memory more than anything else.
 */
export class ClientIdFilters {
  #bytes: Uint8Array;
  #segments: number;

  constructor(segments = 0) {
    this.#bytes = segments === 0 ? NO_BYTES : new Uint8Array(filterAt(segments));
    this.#segments = segments;
  }

  get segments(): number {
    return this.#segments;
  }

  get bytes(): number {
    return this.#bytes.length;
  }

  /** Begins another segment. */
  begin(): void {
    this.#segments += 1;
    const bytes = new Uint8Array(filterAt(this.#segments));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }

  /** Takes what `filter` gave once. */
  restore(segment: number, stored: Uint8Array): void {
    assert(stored.length === filterBytes(segment), 'a filter has the length of its segment');
    this.#bytes.set(stored, filterAt(segment));
  }

  /** The filter of a segment; good until the next change. */
  filter(segment: number): Uint8Array {
    return this.#bytes.subarray(filterAt(segment), filterAt(segment + 1));
  }

  add(segment: number, id: string): void {
    const block = blockAt(segment, probe(id));
    const bytes = this.#bytes;
    for (const bit of probed) bytes[block + (bit >>> 3)] = (bytes[block + (bit >>> 3)] as number) | (1 << (bit & 7));
  }

  /** The segments that may hold `id`; undefined: none does. */
  holding(id: string): number[] | undefined {
    const hash = probe(id);
    let segments: number[] | undefined;
    for (let segment = 0; segment < this.#segments; segment++) {
      if (!this.#mayHold(blockAt(segment, hash))) continue;
      segments ??= [];
      segments.push(segment);
    }
    return segments;
  }

  #mayHold(block: number): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < PROBES; i++) {
      const bit = probed[i] as number;
      if (((bytes[block + (bit >>> 3)] as number) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }
}

/** Filters have a power of two bytes. */
const blockAt = (segment: number, hash: number): number =>
  filterAt(segment) + (hash & (filterBytes(segment) / BLOCK_BYTES - 1)) * BLOCK_BYTES;

const nextWord = (word: number, hash: number): number => {
  const mixed = Math.imul(word ^ hash, 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
};

/** The bits of the last id that `probe` was asked for: in every segment the same ones of its block. */
const probed = new Uint16Array(PROBES);

/**
 * Puts the bits of an id into `probed`; returns the hash that says in which block they are. Two hashes: FNV-1a (Fowler, Noll
 * and Vo), and one with the multiplier of MurmurHash2 (Appleby).
 */
function probe(id: string): number {
  let one = 0x811c9dc5;
  let word = 0x9747b28c;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    one = Math.imul(one ^ code, 0x01000193);
    word = Math.imul(word ^ code, 0x5bd1e995);
    word ^= word >>> 15;
  }
  one ^= one >>> 16;
  for (let i = 0, shift = 0; i < PROBES; i++, shift += PROBE_BITS) {
    if (shift === WORD_BITS) {
      word = nextWord(word, one);
      shift = 0;
    }
    probed[i] = (word >>> shift) & (BLOCK_BITS - 1);
  }
  return one;
}
