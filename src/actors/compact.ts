import { type Entry, entryIn } from './entry.ts';
import type { Item } from './item.ts';

/**
 * Entries are packed into, and read from, buffers that they share with others: a remembered entry of 200 bytes may keep
 * 8 KiB alive. Those that have stayed for a while get bytes of their own, in one buffer for all these lines.
 */
export function compact(items: Iterable<Item>): void {
  const loose: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    if (!item.loose) continue;
    loose.push(item);
    for (const { packed } of item.cache) bytes += packed.length;
  }
  if (loose.length === 0) return;
  const own = new Uint8Array(bytes);
  let at = 0;
  const moved = (entry: Entry): Entry => {
    own.set(entry.packed, at);
    at += entry.packed.length;
    return entryIn(entry, own.subarray(at - entry.packed.length, at));
  };
  for (const item of loose) {
    item.cache = item.cache.map(moved);
    item.loose = false;
  }
}
