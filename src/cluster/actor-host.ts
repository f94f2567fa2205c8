import { appended } from '../appended.ts';
import { Failure } from '../failure.ts';
import type { Write } from '../storage/store.ts';
import { type ActorKind, type Address, ALARM, type Command, type Effect, type Moment, type Outcome, type Reading } from './actor.ts';
import type { TurnTaker } from './executor.ts';
import { type HeldTurn, HeldTurns } from './held-turns.ts';
import { type Letter, Mailbox } from './mailbox.ts';
import { Supervision } from './supervision.ts';
import type { Surroundings } from './surroundings.ts';
import { TurnResult } from './turn-result.ts';

type Phase = 'restoring' | 'active' | 'loading' | 'quarantined' | 'gone';
const ROUNDS_MAX = 8;
/** With pauses that double from a quarter of a second up to two seconds: some five seconds. */
const LOADS_TRIED_MAX = 5;
const NOTHING: readonly never[] = [];
const UNKNOWN = new Failure('timeout', 'it is not known whether this was stored; send it again', { retryAfterMs: 500 });
const resting = (forMs: number): Failure =>
  new Failure('unavailable', 'this actor crashed and is resting; try again later', { retryAfterMs: Math.max(1, Math.ceil(forMs)) });
const LOST = new Failure('unavailable', 'what this follows from could not be stored; try again', { retryAfterMs: 500 });

/**
 * Runs one activation. A turn takes commands from the mailbox, decides and applies each, and submits all
 * they wrote as one store write; the next turn doesn't wait for it. Effects are held until all the
 * activation wrote before is stored. When a write fails, the turn and all after it are undone: the state is
 * restored from the store, their effects are dropped and their commands refused.
 */
export class ActorHost<State, Received extends Command, Event> implements TurnTaker {
  readonly address: Address;
  readonly #kind: ActorKind<State, Received, Event>;
  readonly #around: Surroundings;
  readonly #epoch: number;
  readonly #mailbox: Mailbox<Received>;
  #phase: Phase = 'restoring';
  #state: State | undefined;
  #scheduled = false;
  readonly #held = new HeldTurns<Received>();
  /** Grows whenever the state is lost; what belongs to an older one is dropped. */
  #generation = 0;
  #flushDue: 'derive' | 'close' | undefined;
  /** A lost state, while its successor is read from the store. */
  #carried: State | undefined;
  /** The command that waits for what it needs read. */
  #loading: Letter<Received> | undefined;
  /** Made by the first crash. */
  #supervision: Supervision<Received> | undefined;
  /** Reads in a row that failed, of the state or of what a command needs. */
  #readsFailed = 0;
  lastActive: number;
  /** The region was told that derived rows changed, and will ask for them. */
  #flushAsked = false;
  /** When it was last tidied; never, yet. */
  tidiedAt = Number.NEGATIVE_INFINITY;
  /** When its memory was last estimated. */
  measuredAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #restsUntil = 0;

  constructor(address: Address, kind: ActorKind<State, Received, Event>, around: Surroundings) {
    this.address = address;
    this.#kind = kind;
    this.#around = around;
    this.#epoch = around.epochOf(address);
    this.#mailbox = new Mailbox(around.count);
    this.lastActive = around.monotonic();
    this.#restore(undefined);
  }

  /** Takes a command, or gives the effects that refuse it. `losses`: see `Letter`. */
  tell(command: Received, losses: number | undefined): readonly Effect[] {
    // An alarm that was set before the activation was unloaded: nobody would ever take it.
    if (this.#phase === 'gone') return NOTHING;
    const { settings } = this.#around;
    if (this.#phase === 'quarantined') {
      return this.#kind.refuse(command, resting(this.#restsUntil - this.#around.monotonic()));
    }
    const waiting = this.#mailbox.length;
    if (waiting >= settings.mailboxClientMax && !this.#kind.vital(command)) {
      const shed = this.#kind.sheddable(command);
      if (shed || waiting >= settings.mailboxMax || this.#kind.fromClient(command)) {
        this.#around.shed(command);
        return shed
          ? NOTHING
          : this.#kind.refuse(command, new Failure('overloaded', 'too much is waiting here; try again later', { retryAfterMs: 1000 }));
      }
    }
    this.#mailbox.push({ command, losses });
    this.#schedule();
    return NOTHING;
  }

  turn(): void {
    this.#scheduled = false;
    const state = this.#state;
    if (this.#phase !== 'active' || state === undefined) return;
    const { settings } = this.#around;
    const started = this.#around.monotonic();
    const now: Moment = { wall: this.#around.now(), steady: started };
    // Writing what is derived is no use that anybody makes of it.
    if (this.#mailbox.length > 0) this.lastActive = started;
    const made = new TurnResult<Received, Event>(now, this.address, this.#around.ordered);
    let taken: Letter<Received>[] | undefined;
    let lapsed: Letter<Received>[] | undefined;
    let current: Received | undefined;
    try {
      const most = this.#supervision?.careful ? 1 : settings.turnCommandsMax;
      let count = 0;
      while (count < most) {
        const letter = this.#mailbox.shift();
        if (letter === undefined) break;
        if (letter.losses !== undefined && letter.losses !== this.#around.losses()) {
          lapsed = appended(lapsed, letter);
          continue;
        }
        current = letter.command;
        const load = this.#kind.load(state, current);
        if (load !== undefined) {
          // What those before it told this actor comes first.
          if (taken !== undefined) this.#mailbox.unshift([letter]);
          else this.#load(letter, load);
          break;
        }
        taken = appended(taken, letter);
        count += 1;
        this.#decide(state, current, made);
        if ((count & 7) === 0 && this.#around.monotonic() - started > settings.turnMs) break;
      }
      this.#conclude(state, made);
      let inward = made.takeInward();
      for (let round = 0; inward.length > 0; round++) {
        if (round === ROUNDS_MAX) throw new Error('an actor keeps telling itself');
        for (let next = 0; next < inward.length; next++) {
          current = inward[next] as Received;
          if (this.#kind.load(state, current) !== undefined) {
            // It and those after it are the next to be taken, once what they need is read.
            this.#mailbox.unshift(inward.slice(next).map((command) => ({ command, losses: this.#around.losses() })));
            break;
          }
          this.#decide(state, current, made);
        }
        this.#conclude(state, made);
        inward = made.takeInward();
      }
      current = undefined;
      if (this.#flushDue !== undefined) this.#flushInto(made, state, this.#flushDue);
    } catch (error) {
      this.#refuseLapsed(lapsed);
      this.#crash(taken ?? NOTHING, current, error);
      return;
    }
    if (taken !== undefined) this.#supervision?.turned();
    this.#refuseLapsed(lapsed);
    this.#submit(made.writes ?? NOTHING, made.effects ?? NOTHING, taken ?? NOTHING);
    if (made.early !== undefined) this.#around.tellEarly(made.early);
    this.#noteChanges(state);
    if (this.#mailbox.length > 0) this.#schedule();
  }

  /** A turn that threw outside of what `turn` guards. */
  crashedOutside(error: unknown): void {
    this.#crash([], undefined, error);
  }

  /** Writes the derived rows that changed, with the next turn. */
  flush(): void {
    this.#flushAsked = false;
    this.#flushSoon('derive');
  }

  /** Writes and tells, with the next turn, what must be before the activation ends. */
  close(): void {
    this.#flushSoon('close');
  }

  #flushSoon(what: 'derive' | 'close'): void {
    // A state that is being restored says so itself when it is there.
    if (this.#phase !== 'active' && this.#phase !== 'loading') return;
    if (this.#flushDue !== 'close') this.#flushDue = what;
    this.#schedule();
  }

  /** `close` has something to write or to tell. */
  get unclosed(): boolean {
    if (this.#state === undefined || this.#phase !== 'active') return false;
    return this.#kind.dirty(this.#state) || this.#kind.unclosed(this.#state);
  }

  /** Nothing waits, nothing is under way, and the actor says it may rest. */
  get idle(): boolean {
    if (this.#phase === 'gone') return true;
    return this.quiet && this.#phase === 'active' && this.#state !== undefined && this.#kind.idle(this.#state);
  }

  /** No command waits, and nothing is read or written. */
  get quiet(): boolean {
    if (this.#phase === 'loading' || this.#phase === 'restoring') return false;
    return this.#mailbox.length === 0 && this.#held.quiet && !this.#scheduled && this.#flushDue === undefined;
  }

  get active(): boolean {
    return this.#phase === 'active';
  }

  /** An estimate of the memory that the state holds, as of the last `measure`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** To be called now and then: drops what can be read again, where it is sure to be stored. */
  tidy(): void {
    this.tidiedAt = this.#around.monotonic();
    if (this.#state === undefined || this.#phase !== 'active' || !this.#held.quiet) return;
    this.#kind.tidy(this.#state);
    this.#noteChanges(this.#state);
  }

  /** To be called now and then: estimates the memory. */
  measure(): void {
    this.measuredAt = this.#around.monotonic();
    if (this.#state !== undefined) this.#bytes = this.#kind.bytes(this.#state);
  }

  /** Ends the activation. Where it isn't `idle`, what it held is dropped and nobody is told: as if the node had died. */
  end(): void {
    this.#scheduled = false;
    this.#mailbox.drain();
    this.#phase = 'gone';
    this.#held.drop();
    this.#generation += 1;
    this.#state = undefined;
  }

  #refuseLapsed(letters: readonly Letter<Received>[] | undefined): void {
    if (letters === undefined) return;
    for (const { command } of letters) this.#around.carryOut(this, this.#kind.refuse(command, LOST));
  }

  #noteChanges(state: State): void {
    if (this.#flushAsked || !this.#kind.dirty(state)) return;
    this.#flushAsked = true;
    this.#around.flushLater(this);
  }

  #schedule(): void {
    if (this.#scheduled || this.#phase !== 'active') return;
    this.#scheduled = true;
    this.#around.run(this);
  }

  #decide(state: State, command: Received, made: TurnResult<Received, Event>): void {
    let outcome: Outcome<Event>;
    try {
      outcome = this.#kind.decide(state, command, made.now);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      made.addEffects(this.#kind.refuse(command, error));
      return;
    }
    for (const event of outcome.events) this.#kind.apply(state, event);
    made.addOutcome(outcome);
  }

  /** Concludes the events of a round. */
  #conclude(state: State, made: TurnResult<Received, Event>): void {
    const events = made.takeEvents();
    if (events.length > 0) made.addConclusion(this.#kind.conclude(state, events, this.#epoch));
  }

  #flushInto(made: TurnResult<Received, Event>, state: State, what: 'derive' | 'close'): void {
    this.#flushDue = undefined;
    if (what === 'derive') made.addWrites(this.#kind.derive(state, this.#epoch));
    else made.addClosing(this.#kind.close(state, this.#epoch));
  }

  #submit(writes: readonly Write[], effects: readonly Effect[], letters: readonly Letter<Received>[]): void {
    if (writes.length === 0) {
      if (effects.length === 0) return;
      if (this.#held.empty) this.#around.carryOut(this, effects);
      else this.#held.holdQuiet(effects, letters);
      return;
    }
    const held = this.#held.holdWriting(effects, letters);
    this.#around.write(writes).then(
      () => {
        this.#held.written();
        held.stored = true;
        this.#release();
      },
      (error: unknown) => {
        this.#around.lost();
        this.#held.written();
        this.#lose(held, Failure.from(error));
      },
    );
  }

  /** Carries out, in order, the effects of turns before which everything is stored. */
  #release(): void {
    for (const { effects } of this.#held.takeStored()) this.#around.carryOut(this, effects);
  }

  /**
   * A write failed: undo its turn and those after it, and start again from the store. Turns before it stay held, for
   * their own writes may succeed yet.
   */
  #lose(failed: HeldTurn<Received>, failure: Failure): void {
    this.#release();
    const lost = this.#held.takeFrom(failed);
    if (lost.length === 0) return;
    const refusals: Effect[] = [];
    for (const turn of lost) {
      // Where writes aren't ordered, one after the failed one may be stored all the same.
      const told = turn === failed || this.#around.ordered ? failure : UNKNOWN;
      for (const { command } of turn.letters) refusals.push(...this.#kind.refuse(command, told));
    }
    this.#requeueLoading();
    // Where a crash came before, the state is being restored already, or rests.
    if (this.#phase !== 'quarantined') this.#restore(this.#state ?? this.#carried);
    this.#around.carryOut(this, refusals);
  }

  /** A bug in actor code. The turn is undone and its commands are tried again, but for one that is known to be to blame. */
  #crash(taken: readonly Letter<Received>[], current: Received | undefined, error: unknown): void {
    const { settings } = this.#around;
    const commands = taken.map(({ command }) => command);
    this.#supervision ??= new Supervision();
    const { guilty, restMs } = this.#supervision.crashed(commands, current, this.#around.monotonic(), settings);
    this.#around.crashed(this.address, guilty ?? current, error);
    this.#requeueLoading();
    this.#mailbox.unshift(taken.filter(({ command }) => command !== guilty));
    this.#around.carryOut(this, this.#outcry(guilty, error));
    if (restMs === 0) {
      this.#restore(undefined);
      return;
    }
    // It keeps crashing: everyone who waits is told, and it rests.
    this.#phase = 'quarantined';
    this.#state = undefined;
    this.#carried = undefined;
    this.#generation += 1;
    const generation = this.#generation;
    this.#restsUntil = this.#around.monotonic() + restMs;
    const failure = resting(restMs);
    for (const { command } of this.#mailbox.drain()) this.#around.carryOut(this, this.#kind.refuse(command, failure));
    this.#around.later(restMs, () => {
      if (generation === this.#generation) this.#restore(undefined);
    });
  }

  /** Who is told of a crash. That may throw, too; then nobody is, and the activation starts again all the same. */
  #outcry(guilty: Received | undefined, error: unknown): readonly Effect[] {
    const lost = this.#state ?? this.#carried;
    try {
      const refusals = guilty === undefined ? NOTHING : this.#kind.refuse(guilty, Failure.from(error));
      return lost === undefined ? refusals : [...refusals, ...this.#kind.abandon(lost)];
    } catch (second) {
      this.#around.crashed(this.address, guilty, second);
      return NOTHING;
    }
  }

  /** Gets the state from the store, once no write is under way, and what isn't stored from the lost state. */
  #restore(lost: State | undefined): void {
    if (this.#phase === 'gone') return;
    this.#phase = 'restoring';
    this.#state = undefined;
    this.#carried = lost;
    this.#generation += 1;
    const generation = this.#generation;
    const started = this.#held.noWrites().then(() => this.#around.perform(this.#kind.restore(this.address.id, lost)));
    started.then(
      (state) => {
        if (generation !== this.#generation) return;
        let effects: readonly Effect[] = NOTHING;
        try {
          if (lost !== undefined) effects = this.#kind.carry(lost, state);
        } catch (error) {
          this.#crash([], undefined, error);
          return;
        }
        this.#readsFailed = 0;
        this.#carried = undefined;
        this.#state = state;
        this.#phase = 'active';
        // Alarms that were asked for may have been lost with the effects of lost turns.
        if (lost !== undefined) this.#mailbox.push({ command: ALARM as Received, losses: undefined });
        this.#around.carryOut(this, effects);
        this.#noteChanges(state);
        if (this.#mailbox.length > 0 || this.#flushDue !== undefined) this.#schedule();
      },
      (error: unknown) => {
        if (generation !== this.#generation) return;
        this.#retryRead(error, () => this.#restore(lost));
      },
    );
  }

  /** The store doesn't answer: clients that wait are told, and it is tried again after a pause. */
  #retryRead(error: unknown, again: () => void): void {
    const generation = this.#generation;
    const failure = Failure.from(error);
    const letters = this.#mailbox.drain();
    // Only clients ask again by themselves; what actors and sessions told is kept.
    this.#mailbox.unshift(letters.filter(({ command }) => !this.#kind.fromClient(command)));
    const refusals = letters
      .filter(({ command }) => this.#kind.fromClient(command))
      .flatMap(({ command }) => this.#kind.refuse(command, failure));
    this.#around.carryOut(this, refusals);
    if (!(error instanceof Failure)) this.#around.crashed(this.address, undefined, error);
    const { quarantineFirstMs, restorePauseMaxMs } = this.#around.settings;
    const pauseMs = Math.min(restorePauseMaxMs, quarantineFirstMs * 2 ** this.#readsFailed);
    this.#readsFailed += 1;
    this.#around.later(pauseMs, () => {
      if (generation === this.#generation) again();
    });
  }

  #requeueLoading(): void {
    if (this.#loading === undefined) return;
    this.#mailbox.unshift([this.#loading]);
    this.#loading = undefined;
  }

  /** Reads what `command` needs; it and those behind it wait. */
  #load(letter: Letter<Received>, load: Reading<void>): void {
    this.#phase = 'loading';
    this.#loading = letter;
    const generation = this.#generation;
    const proceed = (): void => {
      this.#requeueLoading();
      this.#phase = 'active';
      if (this.#mailbox.length > 0 || this.#flushDue !== undefined) this.#schedule();
    };
    // What leaves an actor's memory may still be on its way to the store: all of it is there before anything is looked for.
    const loaded = this.#held.noWrites().then(() => this.#around.perform(load));
    loaded.then(
      () => {
        if (generation !== this.#generation) return;
        this.#readsFailed = 0;
        proceed();
      },
      (error: unknown) => {
        if (generation !== this.#generation) return;
        const { command } = letter;
        // One thing that can't be read must not hold up all else for ever: actors tell again what was lost here.
        if (!(error instanceof Failure) || this.#readsFailed >= LOADS_TRIED_MAX) {
          this.#loading = undefined;
          this.#readsFailed = 0;
          this.#around.carryOut(this, this.#kind.refuse(command, Failure.from(error)));
          if (!(error instanceof Failure)) this.#around.crashed(this.address, command, error);
          proceed();
          return;
        }
        this.#requeueLoading();
        this.#retryRead(error, proceed);
      },
    );
  }
}
