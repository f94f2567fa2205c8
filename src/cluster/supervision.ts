import type { Command } from './actor.ts';

export interface SupervisionSettings {
  /** A crash within this time of the last counts as one more in a row. */
  readonly crashWindowMs: number;
  /** The pause after the third crash in a row; each further one doubles it. */
  readonly quarantineFirstMs: number;
  readonly quarantineMaxMs: number;
}

/** Crashes in a row after which the activation is started again at once. */
const FORGIVEN = 2;

/**
 * What is to be done about the crashes of one activation. Which of a turn's commands is to blame can't be told
 * from the exception alone, since some throw only when the turn is concluded. So after a crash its commands are
 * tried again one a turn, and the one that crashes then is set aside: it costs its sender, not the others.
 */
export class Supervision<Received extends Command> {
  #suspect: Received | undefined;
  #crashes = 0;
  #crashedAt = 0;
  #retries = 0;

  /** Commands are to be taken one a turn. */
  get careful(): boolean {
    return this.#retries > 0;
  }

  /** A turn went well. */
  turned(): void {
    if (this.#retries > 0) this.#retries -= 1;
  }

  /**
   * A turn with these commands threw, as far as is known while it decided `current`. Gives the command that is
   * set aside, if it is known to be to blame, and for how long (milliseconds) the activation rests.
   */
  crashed(
    taken: readonly Received[],
    current: Received | undefined,
    at: number,
    settings: SupervisionSettings,
  ): { readonly guilty: Received | undefined; readonly restMs: number } {
    const alone = taken.length === 1 ? taken[0] : undefined;
    const culprit = alone ?? current;
    const guilty = culprit !== undefined && (culprit === this.#suspect || (this.careful && alone !== undefined)) ? culprit : undefined;
    this.#suspect = culprit;
    this.#retries = guilty === undefined ? Math.max(this.#retries, taken.length) : this.#retries - 1;
    this.#crashes = at - this.#crashedAt < settings.crashWindowMs ? this.#crashes + 1 : 1;
    this.#crashedAt = at;
    const restMs =
      this.#crashes <= FORGIVEN ? 0 : Math.min(settings.quarantineMaxMs, settings.quarantineFirstMs * 2 ** (this.#crashes - FORGIVEN - 1));
    return { guilty, restMs };
  }
}
