import type { Command } from './actor.ts';

/** Where emptied slots are given back: below this many nothing is moved. */
const COMPACT_AT = 64;

/**
 * A bounded first-in first-out queue of commands. Bounds are the caller's: `length` says how many wait.
 * nact's own mailbox is unbounded, so this one stands in front of it.
 */
export class Mailbox<Received extends Command> {
  #slots: (Received | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#slots.length - this.#head;
  }

  push(command: Received): void {
    this.#slots.push(command);
  }

  /** Puts commands back before all others, in the order given. */
  unshift(commands: readonly Received[]): void {
    this.#slots = [...commands, ...this.#slots.slice(this.#head)];
    this.#head = 0;
  }

  shift(): Received | undefined {
    if (this.#head === this.#slots.length) return undefined;
    const command = this.#slots[this.#head];
    this.#slots[this.#head++] = undefined;
    if (this.#head === this.#slots.length) {
      this.#slots.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
    return command;
  }

  drain(): readonly Received[] {
    const waiting = this.#slots.slice(this.#head) as Received[];
    this.#slots = [];
    this.#head = 0;
    return waiting;
  }
}
