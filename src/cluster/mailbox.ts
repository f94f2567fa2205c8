import type { Command } from './actor.ts';

/** Where emptied slots are given back: below this many nothing is moved. */
const COMPACT_AT = 32;
/** An empty mailbox keeps so many. */
const PLACES_KEPT = 32;

/**
 * A command on its way. `losses` is undefined, or, for a command that was told before what it follows from was
 * stored, the node's count of lost writes at that time: where the count has grown, the command is void.
 */
export interface Letter<Received extends Command> {
  readonly command: Received;
  readonly losses: number | undefined;
}

/** How many commands wait in all mailboxes of a node. */
export interface WaitingCount {
  waiting: number;
}

/**
 * A bounded first-in first-out queue of commands. Bounds are the caller's: `length` says how many wait.
 * nact's own mailbox is unbounded, so commands never go there.
 */
export class Mailbox<Received extends Command> {
  #slots: (Letter<Received> | undefined)[] = [];
  /** Letters lie from here to the tail; the places around them are kept, so that none are asked for with each turn. */
  #head = 0;
  #tail = 0;
  readonly #count: WaitingCount;

  constructor(count: WaitingCount) {
    this.#count = count;
  }

  get length(): number {
    return this.#tail - this.#head;
  }

  push(letter: Letter<Received>): void {
    // Of one place: an empty list that grows gets 17, and most mailboxes never hold more than one letter.
    if (this.#slots.length === 0) this.#slots = [letter];
    else this.#slots[this.#tail] = letter;
    this.#tail += 1;
    this.#count.waiting += 1;
  }

  /** Puts letters back before all others, in the order given. */
  unshift(letters: readonly Letter<Received>[]): void {
    this.#slots = [...letters, ...this.#slots.slice(this.#head, this.#tail)];
    this.#count.waiting += letters.length;
    this.#head = 0;
    this.#tail = this.#slots.length;
  }

  shift(): Letter<Received> | undefined {
    if (this.#head === this.#tail) return undefined;
    this.#count.waiting -= 1;
    const letter = this.#slots[this.#head];
    this.#slots[this.#head++] = undefined;
    if (this.#head === this.#tail && this.#tail <= PLACES_KEPT) this.#head = this.#tail = 0;
    else if (this.#head >= COMPACT_AT && this.#head * 2 > this.#tail) {
      this.#slots = this.#slots.slice(this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
    }
    return letter;
  }

  drain(): readonly Letter<Received>[] {
    const waiting = this.#slots.slice(this.#head, this.#tail) as Letter<Received>[];
    this.#count.waiting -= waiting.length;
    this.#slots = [];
    this.#head = 0;
    this.#tail = 0;
    return waiting;
  }
}
