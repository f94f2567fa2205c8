import type { Row } from '../storage/store.ts';
import type { Reading } from './actor.ts';

/** Both readings at once, where there are two: what they want read in one step goes out together. */
export function together(one: Reading<void> | undefined, other: Reading<void> | undefined): Reading<void> | undefined {
  return one === undefined || other === undefined ? (one ?? other) : both(one, other);
}

function* both(one: Reading<void>, other: Reading<void>): Reading<void> {
  let [first, second] = [one.next(NOTHING), other.next(NOTHING)];
  while (!first.done || !second.done) {
    const firstReads = first.done ? NOTHING : first.value;
    const rows: readonly (readonly Row[])[] = yield second.done ? firstReads : [...firstReads, ...second.value];
    if (!first.done) first = one.next(rows.slice(0, firstReads.length));
    if (!second.done) second = other.next(rows.slice(firstReads.length));
  }
}

const NOTHING: readonly never[] = [];
