import { type ActorSystemRef, dispatch, type Ref, spawn, start, stop } from 'nact';

/** Something that takes turns; `turn` is called once for each `wake`, never two at a time. */
export interface TurnTaker {
  turn(): void;
}

export const TURN = { kind: 'turn' } as const;
export type Employee = Ref<typeof TURN>;

/** nact's names take few characters. */
const encode = (text: string): string => Buffer.from(text).toString('base64url') || '-';

/** A nact system is found by its name in a map of the whole process, and nodes of one test may share a name. */
let systems = 0;

/**
 * nact as the executor and supervisor of turns, and nothing more: each activation is a nact actor under a
 * silent parent for its kind, since nact copies an actor's children with every message that it handles.
 * An activation at rest gives its nact actor back (1.2 KB each) and gets a new one for its next turn.
 */
export class Executor {
  readonly #system: ActorSystemRef;
  readonly #parents = new Map<string, Ref<never>>();
  readonly #crashed: (taker: TurnTaker, error: unknown) => void;
  #employed = 0;

  /** `crashed` hears of a turn that threw; the actor goes on with the next. */
  constructor(node: string, crashed: (taker: TurnTaker, error: unknown) => void) {
    systems += 1;
    this.#system = start({ name: `${encode(node)}-${systems}` } as never);
    this.#crashed = crashed;
  }

  employ(kind: string, id: string, taker: TurnTaker): Employee {
    let parent = this.#parents.get(kind);
    if (parent === undefined) {
      parent = spawn(this.#system, (state: undefined) => state, encode(kind)) as Ref<never>;
      this.#parents.set(kind, parent);
    }
    // nact drops messages to a stopped path silently, so no name is used twice.
    this.#employed += 1;
    const name = `${encode(id)}-${this.#employed}`;
    const run = (state: undefined): undefined => {
      taker.turn();
      return state;
    };
    return spawn(parent, run, name, {
      onCrash: (_message: unknown, error: unknown, context: { resume: symbol; stop: symbol }) => {
        // An exception in here would wedge the nact actor for good.
        try {
          this.#crashed(taker, error);
          return context.resume;
        } catch {
          return context.stop;
        }
      },
    } as never) as Employee;
  }

  wake(employee: Employee): void {
    dispatch(employee, TURN);
  }

  release(employee: Employee): void {
    stop(employee);
  }

  stop(): void {
    stop(this.#system);
  }
}
