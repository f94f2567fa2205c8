import { allAppended, appended } from '../appended.ts';
import type { Write } from '../storage/store.ts';
import type { Address, Command, Conclusion, Effect, Moment, Outcome } from './actor.ts';

const NOTHING: readonly never[] = [];

/** What a turn of the actor `self` has come to so far. Lists are undefined until something is in them. */
export class TurnResult<Received extends Command, Event> {
  readonly now: Moment;
  writes: Write[] | undefined;
  /** Held until everything is stored. */
  effects: Effect[] | undefined;
  /** Tells that may leave with the write. */
  early: Effect[] | undefined;
  private readonly self: Address;
  private readonly ordered: boolean;
  /** Not concluded yet. */
  private events: Event[] | undefined;
  /** What the actor told itself, to be decided in the same turn. */
  private inward: Received[] | undefined;

  /** `ordered`: the store is. */
  constructor(now: Moment, self: Address, ordered: boolean) {
    this.now = now;
    this.writes = undefined;
    this.effects = undefined;
    this.early = undefined;
    this.self = self;
    this.ordered = ordered;
    this.events = undefined;
    this.inward = undefined;
  }

  addOutcome({ events, effects }: Outcome<Event>): void {
    this.events = allAppended(this.events, events);
    this.addEffects(effects);
  }

  /** Puts each effect where it is carried out from. */
  addEffects(effects: readonly Effect[]): void {
    const { id, kind } = this.self;
    for (const effect of effects) {
      if (effect.kind !== 'tell' || effect.when === 'stored') this.effects = appended(this.effects, effect);
      else if (effect.to.id === id && effect.to.kind === kind) this.inward = appended(this.inward, effect.command as Received);
      else if (this.ordered) this.early = appended(this.early, effect);
      else this.effects = appended(this.effects, effect);
    }
  }

  addConclusion({ writes, effects }: Conclusion): void {
    this.addWrites(writes);
    this.addEffects(effects);
  }

  /** Of an activation that ends: all of it is held, as there will be no other turn for what it tells itself. */
  addClosing({ writes, effects }: Conclusion): void {
    this.addWrites(writes);
    this.effects = allAppended(this.effects, effects);
  }

  addWrites(writes: readonly Write[]): void {
    this.writes = allAppended(this.writes, writes);
  }

  takeEvents(): readonly Event[] {
    const events = this.events ?? NOTHING;
    this.events = undefined;
    return events;
  }

  takeInward(): readonly Received[] {
    const inward = this.inward ?? NOTHING;
    this.inward = undefined;
    return inward;
  }
}
