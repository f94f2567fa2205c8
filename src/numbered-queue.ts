/** Where emptied places are given back: below this many nothing is moved. */
const COMPACT_AT = 32;
/** An empty queue keeps so many. */
const PLACES_KEPT = 32;

/**
 * Items under ascending numbers, nearly all of them consecutive and taken from the front: found by their place
 * instead of by a hash, and without the rehashing that a map does whose few entries come and go.
 */
export class NumberedQueue<Item> {
  private numbers: number[] = [];
  private items: (Item | undefined)[] = [];
  /** Items lie from `head` to `tail`; the places around them are kept, so that none are asked for whenever it was empty. */
  private head = 0;
  private tail = 0;

  get size(): number {
    return this.tail - this.head;
  }

  /** The lowest number. */
  get first(): number | undefined {
    return this.head === this.tail ? undefined : this.numbers[this.head];
  }

  /** The item with the lowest number. */
  get oldest(): Item | undefined {
    return this.items[this.head];
  }

  /** `number` must be above all that are there. */
  push(number: number, item: Item): void {
    if (this.items.length === 0) {
      // Of one place: an empty list that grows gets 17, and most queues never hold more than one item.
      this.numbers = [number];
      this.items = [item];
      this.tail = 1;
      return;
    }
    this.numbers[this.tail] = number;
    this.items[this.tail++] = item;
  }

  get(number: number): Item | undefined {
    const place = this.placeOf(number);
    return place < 0 ? undefined : this.items[place];
  }

  delete(number: number): void {
    const place = this.placeOf(number);
    if (place < 0) return;
    if (place > this.head) {
      this.numbers.splice(place, 1);
      this.items.splice(place, 1);
      this.tail -= 1;
      return;
    }
    this.items[this.head++] = undefined;
    if (this.head === this.tail && this.tail <= PLACES_KEPT) this.head = this.tail = 0;
    else if (this.head >= COMPACT_AT && this.head * 2 > this.tail) {
      this.numbers = this.numbers.slice(this.head, this.tail);
      this.items = this.items.slice(this.head, this.tail);
      this.tail -= this.head;
      this.head = 0;
    }
  }

  /** In ascending order. What is there now: the queue may change meanwhile. */
  values(): Item[] {
    return this.items.slice(this.head, this.tail) as Item[];
  }

  private placeOf(number: number): number {
    const { numbers } = this;
    let low = this.head;
    if (low === this.tail) return -1;
    // Where numbers are missing, the item is nearer to the front.
    let high = Math.min(low + number - (numbers[low] as number), this.tail - 1);
    while (low <= high) {
      if (numbers[high] === number) return high;
      const middle = (low + high) >>> 1;
      const found = numbers[middle] as number;
      if (found === number) return middle;
      if (found < number) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}
