import { type ActorSystemRef, dispatch, type Ref, spawn, start, stop } from 'nact';
import type { Clock } from '../clock.ts';

/** Something that takes turns; `turn` is called once for each `run`, never two at a time. */
export interface TurnTaker {
  turn(): void;
}

const DRAIN = { kind: 'drain' } as const;

/** So long turns are given before sockets and the disk have their own: a tenth of what a person notices, and 50 turns. */
const DRAIN_MS = 2;

/** An empty queue keeps so many. */
const PLACES_KEPT = 4096;

/** nact's names take few characters. */
const encode = (text: string): string => Buffer.from(text).toString('base64url') || '-';

/** A nact system is found by its name in a map of the whole process, and nodes of one test may share a name. */
let systems = 0;

/**
 * nact as the executor and supervisor of turns, and nothing more. One message to its actor means: give everybody who is
 * ready a turn, in order, and those too who get ready meanwhile. So a message that goes from actor to actor is done within
 * one message of nact's, which costs as much as two turns: an immediate, a promise, and a copy of the actor's children.
 */
export class Executor {
  readonly #system: ActorSystemRef;
  readonly #actor: Ref<typeof DRAIN>;
  readonly #clock: Clock;
  readonly #crashed: (taker: TurnTaker, error: unknown) => void;
  #ready: (TurnTaker | undefined)[] = [];
  /** Those from here to the tail wait for their turn. */
  #next = 0;
  #tail = 0;
  /** nact has been told. */
  #due = false;

  /** `crashed` hears of a turn that threw, and doesn't throw itself: that would wedge nact's actor, and with it the node. */
  constructor(node: string, clock: Clock, crashed: (taker: TurnTaker, error: unknown) => void) {
    systems += 1;
    this.#clock = clock;
    this.#crashed = crashed;
    this.#system = start({ name: `${encode(node)}-${systems}` } as never);
    this.#actor = spawn(this.#system, () => this.#drain(), 'turns', {
      onCrash: (_message: unknown, error: unknown, context: { resume: symbol }) => {
        this.#failed(error);
        return context.resume;
      },
    } as never) as Ref<typeof DRAIN>;
  }

  /** Gives `taker` its turn soon, behind all who are ready. */
  run(taker: TurnTaker): void {
    this.#ready[this.#tail++] = taker;
    this.#drainSoon();
  }

  stop(): void {
    this.#ready = [];
    this.#next = 0;
    this.#tail = 0;
    stop(this.#system);
  }

  #drainSoon(): void {
    if (this.#due) return;
    this.#due = true;
    dispatch(this.#actor, DRAIN);
  }

  #drain(): void {
    const until = this.#clock.monotonic() + DRAIN_MS;
    while (this.#next < this.#tail) {
      const taker = this.#ready[this.#next] as TurnTaker;
      this.#ready[this.#next++] = undefined;
      try {
        taker.turn();
      } catch (error) {
        throw new TurnFailed(taker, error);
      }
      if (this.#clock.monotonic() >= until) break;
    }
    this.#due = false;
    if (this.#next < this.#tail) {
      this.#ready = this.#ready.slice(this.#next, this.#tail);
      this.#tail -= this.#next;
      this.#next = 0;
      this.#drainSoon();
    } else {
      if (this.#tail > PLACES_KEPT) this.#ready = [];
      this.#next = 0;
      this.#tail = 0;
    }
  }

  /** Called by nact. */
  #failed(error: unknown): void {
    this.#due = false;
    if (this.#next < this.#tail) this.#drainSoon();
    if (error instanceof TurnFailed) this.#crashed(error.taker, error.cause);
  }
}

/** A turn that threw, on its way to nact's supervision. */
class TurnFailed extends Error {
  readonly taker: TurnTaker;

  constructor(taker: TurnTaker, cause: unknown) {
    super('a turn failed', { cause });
    this.taker = taker;
  }
}
