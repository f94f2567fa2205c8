/** Numbers run on for ever; this many messages may be under way. */
const UNDER_WAY_MAX = 1 << 17;
const SLOT = UNDER_WAY_MAX - 1;

/** Hands out a run's message numbers and keeps, of each message under way, since when, from whom, and whom it still has to reach. */
export class UnderWay {
  count = 0;
  readonly #began = new Float64Array(UNDER_WAY_MAX);
  readonly #route = new Int32Array(UNDER_WAY_MAX);
  readonly #unanswered = new Uint8Array(UNDER_WAY_MAX);
  readonly #unreached = new Int32Array(UNDER_WAY_MAX);

  begin(at: number, route: number, receivers: number): number {
    const number = this.count++;
    const slot = number & SLOT;
    if (!this.isDone(number)) throw new Error(`more than ${UNDER_WAY_MAX} messages are under way`);
    this.#began[slot] = at;
    this.#route[slot] = route;
    this.#unanswered[slot] = 1;
    this.#unreached[slot] = receivers;
    return number;
  }

  began(number: number): number {
    return this.#began[number & SLOT] as number;
  }

  route(number: number): number {
    return this.#route[number & SLOT] as number;
  }

  answered(number: number): void {
    this.#unanswered[number & SLOT] = 0;
  }

  /** One more receiver has it; answers how many still haven't. */
  reached(number: number): number {
    const left = (this.#unreached[number & SLOT] as number) - 1;
    this.#unreached[number & SLOT] = left;
    return left;
  }

  /** Its sender was answered and everyone has it. */
  isDone(number: number): boolean {
    return this.#unanswered[number & SLOT] === 0 && this.#unreached[number & SLOT] === 0;
  }
}
