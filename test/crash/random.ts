/** Numbers from a seed: the same seed, the same plan. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** True this often, of 1. */
  chance(often: number): boolean;
  /** Another source that depends only on this one's seed and the label, not on what was drawn. */
  fork(label: string): Random;
}

/** mulberry32: small, and good enough to spread kills and messages. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    between,
    pick(items) {
      if (items.length === 0) throw new Error('nothing to pick from');
      return items[between(0, items.length - 1)] as (typeof items)[number];
    },
    chance: (often) => next() < often,
    fork(label) {
      let hash = seed >>> 0;
      for (const char of label) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
      return randomFrom(hash);
    },
  };
}
