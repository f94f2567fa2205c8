/** With more entries a hash is faster than looking at each. */
const FEW = 16;

/**
 * A map for few entries that come and go, mostly the oldest first: each is looked at, so there is no table to be
 * made anew whenever there are more or fewer of them. With many entries it is a `Map` until it is empty.
 */
export class SmallMap<Key, Value> {
  /** The entries lie from `head` to `tail`, the oldest first. */
  private readonly keys: (Key | undefined)[] = [];
  private readonly values: (Value | undefined)[] = [];
  private head = 0;
  private tail = 0;
  private many: Map<Key, Value> | undefined;

  get size(): number {
    return this.many?.size ?? this.tail - this.head;
  }

  get(key: Key): Value | undefined {
    if (this.many !== undefined) return this.many.get(key);
    const place = this.placeOf(key);
    return place < 0 ? undefined : this.values[place];
  }

  has(key: Key): boolean {
    return this.many?.has(key) ?? this.placeOf(key) >= 0;
  }

  set(key: Key, value: Value): void {
    if (this.many !== undefined) {
      this.many.set(key, value);
      return;
    }
    const place = this.placeOf(key);
    if (place >= 0) {
      this.values[place] = value;
      return;
    }
    if (this.tail - this.head === FEW) {
      this.many = new Map(this.entries()).set(key, value);
      this.clear();
      return;
    }
    if (this.tail === 2 * FEW) this.moveToFront();
    this.keys[this.tail] = key;
    this.values[this.tail++] = value;
  }

  delete(key: Key): void {
    if (this.many !== undefined) {
      this.many.delete(key);
      if (this.many.size === 0) this.many = undefined;
      return;
    }
    const place = this.placeOf(key);
    if (place < 0) return;
    // Those before it move up; nearly always there are none.
    for (let to = place; to > this.head; to--) this.move(to - 1, to);
    this.keys[this.head] = undefined;
    this.values[this.head++] = undefined;
    if (this.head === this.tail) this.head = this.tail = 0;
  }

  /** In the order in which the keys were first set. What is there now: the map may change meanwhile. */
  entries(): [Key, Value][] {
    if (this.many !== undefined) return [...this.many];
    const entries: [Key, Value][] = [];
    for (let place = this.head; place < this.tail; place++) entries.push([this.keys[place] as Key, this.values[place] as Value]);
    return entries;
  }

  private placeOf(key: Key): number {
    for (let place = this.head; place < this.tail; place++) if (this.keys[place] === key) return place;
    return -1;
  }

  private clear(): void {
    this.keys.fill(undefined);
    this.values.fill(undefined);
    this.head = 0;
    this.tail = 0;
  }

  private moveToFront(): void {
    const { head, tail } = this;
    for (let from = head; from < tail; from++) {
      this.move(from, from - head);
      this.keys[from] = undefined;
      this.values[from] = undefined;
    }
    this.head = 0;
    this.tail = tail - head;
  }

  private move(from: number, to: number): void {
    this.keys[to] = this.keys[from];
    this.values[to] = this.values[from];
  }
}
