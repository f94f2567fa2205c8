import { assert } from '../assert.ts';
import { KEY_BYTES_MAX, POSITIONS_PER_PARTITION, POSITIONS_PER_ROW_MAX, type Read, type Write } from './store.ts';

const BYTES_PER_CHAR_MAX = 3;

const isPosition = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const fits = (text: string): boolean => text.length * BYTES_PER_CHAR_MAX <= KEY_BYTES_MAX || Buffer.byteLength(text) <= KEY_BYTES_MAX;

export const partitionOf = (position: number): number => Math.floor(position / POSITIONS_PER_PARTITION);

/** The highest last position of a row that holds `position`. */
export const rowsEndBy = (position: number): number =>
  Math.min(position + POSITIONS_PER_ROW_MAX - 1, (partitionOf(position) + 1) * POSITIONS_PER_PARTITION - 1);

/** What every engine relies on: a write that breaks the contract is its caller's bug. */
export function assertWrite(write: Write): void {
  assert(fits(write.of), 'an owner has at most KEY_BYTES_MAX bytes');
  if (write.kind === 'append') {
    const { first, last } = write;
    assert(isPosition(last) && isPosition(first) && first >= 1 && first <= last, 'a log row holds positions from 1 up');
    assert(last - first < POSITIONS_PER_ROW_MAX, 'a log row holds at most POSITIONS_PER_ROW_MAX positions');
    assert(first === last || partitionOf(first) === partitionOf(last), 'a log row stays within its partition');
  } else if (write.kind === 'prune') assert(isPosition(write.through), 'a log is pruned through a position');
  else assert(fits(write.key), 'a key has at most KEY_BYTES_MAX bytes');
  if (write.kind === 'append' || write.kind === 'put') {
    assert(isPosition(write.epoch), 'an epoch is a whole number');
    assert(write.payload instanceof Uint8Array, 'a payload is bytes');
  }
}

export function assertRead(read: Read): void {
  assert(fits(read.of), 'an owner has at most KEY_BYTES_MAX bytes');
  if (read.kind !== 'row') assert(Number.isSafeInteger(read.limit) && read.limit >= 1, 'a read has a limit');
  if (read.kind === 'forward') assert(isPosition(read.after) && isPosition(read.through ?? 0), 'a log is read between positions');
  else if (read.kind === 'backward') assert(isPosition(read.before ?? 0), 'a log is read before a position');
}
