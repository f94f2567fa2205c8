import { type ActorSystemRef, dispatch, type Ref, spawn, start, stop } from 'nact';

/** Something that takes turns; `turn` is called once for each `run`, never two at a time. */
export interface TurnTaker {
  turn(): void;
}

const TURN = { kind: 'turn' } as const;

/** A nact actor, and whose turn it carries at the moment. */
interface Carrier {
  readonly ref: Ref<typeof TURN>;
  taker: TurnTaker | undefined;
}

/** Carriers that wait for work at most: each takes 1.2 KB. */
const FREE_MAX = 1024;

/** nact's names take few characters. */
const encode = (text: string): string => Buffer.from(text).toString('base64url') || '-';

/** A nact system is found by its name in a map of the whole process, and nodes of one test may share a name. */
let systems = 0;

/**
 * nact as the executor and supervisor of turns, and nothing more. An activation has a nact actor for as long as a
 * turn of it is due, and gives it back with the turn: so those at rest cost none, and a login makes none. All hang
 * under one silent parent, since nact copies an actor's children with every message that it handles.
 */
export class Executor {
  readonly #system: ActorSystemRef;
  readonly #parent: Ref<never>;
  readonly #crashed: (taker: TurnTaker, error: unknown) => void;
  readonly #free: Carrier[] = [];
  #made = 0;

  /** `crashed` hears of a turn that threw; it says itself what goes wrong with it. */
  constructor(node: string, crashed: (taker: TurnTaker, error: unknown) => void) {
    systems += 1;
    this.#system = start({ name: `${encode(node)}-${systems}` } as never);
    this.#parent = spawn(this.#system, (state: undefined) => state, 'turns') as Ref<never>;
    this.#crashed = crashed;
  }

  /** Gives `taker` its turn soon. */
  run(taker: TurnTaker): void {
    const carrier = this.#free.pop() ?? this.#make();
    carrier.taker = taker;
    dispatch(carrier.ref, TURN);
  }

  stop(): void {
    stop(this.#system);
  }

  #make(): Carrier {
    this.#made += 1;
    const carry = (state: undefined): undefined => {
      const { taker } = carrier;
      if (taker === undefined) return state;
      carrier.taker = undefined;
      try {
        taker.turn();
      } catch (error) {
        throw new TurnFailed(taker, error);
      }
      this.#giveBack(carrier);
      return state;
    };
    // nact drops messages to a stopped path silently, so no name is used twice.
    const ref = spawn(this.#parent, carry, String(this.#made), {
      onCrash: (_message: unknown, error: unknown, context: { resume: symbol; stop: symbol }) => {
        // An exception in here would wedge the nact actor for good.
        try {
          if (error instanceof TurnFailed) this.#crashed(error.taker, error.cause);
          this.#giveBack(carrier);
          return context.resume;
        } catch {
          return context.stop; // and nobody gets this carrier again
        }
      },
    } as never) as Ref<typeof TURN>;
    const carrier: Carrier = { ref, taker: undefined };
    return carrier;
  }

  #giveBack(carrier: Carrier): void {
    if (this.#free.length < FREE_MAX) this.#free.push(carrier);
    else stop(carrier.ref);
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
