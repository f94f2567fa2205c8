/** Numbers run on for ever; no message may be under way while so many others are begun. */
const SPAN = 1 << 17;

/** Hands out a run's message numbers and keeps, of each message under way, since when, from whom, and whom it still has to reach. */
export class UnderWay {
  count = 0;
  readonly #slot: number;
  readonly #began: Float64Array;
  readonly #route: Int32Array;
  readonly #unanswered: Uint8Array;
  readonly #unreached: Int32Array;

  /** `span`: a power of two. */
  constructor(span = SPAN) {
    this.#slot = span - 1;
    this.#began = new Float64Array(span);
    this.#route = new Int32Array(span);
    this.#unanswered = new Uint8Array(span);
    this.#unreached = new Int32Array(span);
  }

  begin(at: number, route: number, receivers: number): number {
    const number = this.count++;
    const slot = number & this.#slot;
    if (!this.isDone(number)) throw new Error(`a message is under way while ${this.#slot + 1} others were begun`);
    this.#began[slot] = at;
    this.#route[slot] = route;
    this.#unanswered[slot] = 1;
    this.#unreached[slot] = receivers;
    return number;
  }

  began(number: number): number {
    return this.#began[number & this.#slot] as number;
  }

  route(number: number): number {
    return this.#route[number & this.#slot] as number;
  }

  answered(number: number): void {
    this.#unanswered[number & this.#slot] = 0;
  }

  /** It was refused: nobody will have it. */
  refused(number: number): void {
    this.#unanswered[number & this.#slot] = 0;
    this.#unreached[number & this.#slot] = 0;
  }

  /** One more receiver has it; answers how many still haven't. */
  reached(number: number): number {
    const left = (this.#unreached[number & this.#slot] as number) - 1;
    this.#unreached[number & this.#slot] = left;
    return left;
  }

  /** Its sender was answered and everyone has it. */
  isDone(number: number): boolean {
    return this.#unanswered[number & this.#slot] === 0 && this.#unreached[number & this.#slot] === 0;
  }
}
