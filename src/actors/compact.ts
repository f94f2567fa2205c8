import type { Item } from './item.ts';

/**
 * Entries are packed into, and read from, buffers that they share with others: a remembered entry of 200 bytes may keep
 * 8 KiB alive. Those that have stayed for a while get bytes of their own, in one buffer for all these lines.
 */
export function compact(items: Iterable<Item>): void {
  const loose = [...items].filter(({ cache }) => cache.loose).map(({ cache }) => cache);
  if (loose.length === 0) return;
  const own = new Uint8Array(loose.reduce((bytes, cache) => bytes + cache.packedBytes, 0));
  let at = 0;
  for (const cache of loose) at = cache.moveTo(own, at);
}
