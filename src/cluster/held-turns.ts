import { appended } from '../appended.ts';
import type { Command, Effect } from './actor.ts';
import type { Letter } from './mailbox.ts';

/** A turn whose write is under way, or which waits for one before it. */
export interface HeldTurn<Received extends Command> {
  stored: boolean;
  readonly effects: readonly Effect[];
  readonly letters: readonly Letter<Received>[];
}

/** The turns of one activation that aren't stored yet, or that come after such, in order; and the writes under way. */
export class HeldTurns<Received extends Command> {
  #turns: HeldTurn<Received>[] | undefined;
  #writesUnderWay = 0;
  #onQuiet: (() => void)[] | undefined;

  get empty(): boolean {
    return this.#turns === undefined;
  }

  /** Nothing is held, and no write is under way. */
  get quiet(): boolean {
    return this.#turns === undefined && this.#writesUnderWay === 0;
  }

  /** Holds a turn that wrote nothing, behind those before it. */
  holdQuiet(effects: readonly Effect[], letters: readonly Letter<Received>[]): void {
    this.#turns = appended(this.#turns, { stored: true, effects, letters });
  }

  /** Holds a turn whose write begins; `written` is to be called when that has ended. */
  holdWriting(effects: readonly Effect[], letters: readonly Letter<Received>[]): HeldTurn<Received> {
    const held: HeldTurn<Received> = { stored: false, effects, letters };
    this.#turns = appended(this.#turns, held);
    this.#writesUnderWay += 1;
    return held;
  }

  /** A write has ended, well or not. */
  written(): void {
    this.#writesUnderWay -= 1;
    const waiting = this.#onQuiet;
    if (this.#writesUnderWay > 0 || waiting === undefined) return;
    this.#onQuiet = undefined;
    for (const proceed of waiting) proceed();
  }

  /** Takes the turns before which everything is stored. */
  takeStored(): readonly HeldTurn<Received>[] {
    const turns = this.#turns;
    let done = 0;
    while (turns?.[done]?.stored) done += 1;
    if (turns === undefined || done === 0) return NONE;
    if (done === turns.length) {
      this.#turns = undefined;
      return turns;
    }
    return turns.splice(0, done);
  }

  /** Takes a turn and all after it; none, where it is no longer held. What is before it may be stored yet. */
  takeFrom(turn: HeldTurn<Received>): readonly HeldTurn<Received>[] {
    const all = this.#turns;
    const at = all?.indexOf(turn) ?? -1;
    if (all === undefined || at < 0) return NONE;
    this.#turns = at === 0 ? undefined : all.slice(0, at);
    return all.slice(at);
  }

  /** Lets go of all. */
  drop(): void {
    this.#turns = undefined;
  }

  /** Resolves when no write is under way: what is read then is what is stored. */
  noWrites(): Promise<void> {
    if (this.#writesUnderWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onQuiet ??= [];
      this.#onQuiet.push(resolve);
    });
  }
}

const NONE: readonly never[] = [];
