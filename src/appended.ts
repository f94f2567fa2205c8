/**
 * `list` with `item` at its end; where there is no list yet, a new one. V8 gives a list that begins empty room for 17
 * items, of which most lists in the path of a message need one or two.
 */
export function appended<Item>(list: Item[] | undefined, item: Item): Item[] {
  if (list === undefined) return [item];
  list.push(item);
  return list;
}

export function allAppended<Item>(list: Item[] | undefined, items: readonly Item[]): Item[] | undefined {
  let all = list;
  for (const item of items) all = appended(all, item);
  return all;
}
