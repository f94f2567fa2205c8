import type { Failure } from '../failure.ts';
import type { Read, Row, Write } from '../storage/store.ts';

/** Who a command is for. `kind` names an `ActorKind`; `id` is any string of 1 to 200 bytes. */
export interface Address {
  readonly kind: string;
  readonly id: string;
}

/** A session somewhere in the cluster: the node that holds its socket, and its number there. */
export interface SessionAddress {
  readonly node: string;
  readonly id: number;
}

/**
 * What an actor wants done. Effects are carried out in the order they were returned, and none before
 * everything the activation wrote until then is stored, so nobody is ever told what a crash could undo.
 * The exception is a `tell` marked `ordered`: it may go out as soon as the turn's write is submitted if
 * the store is `ordered`, because what its receiver writes can't survive without what it follows from.
 */
export type Effect =
  | { readonly kind: 'tell'; readonly to: Address; readonly command: Command; readonly when: 'ordered' | 'stored' }
  /** A frame for a session; `tag` is that of the request it answers, or 0. */
  | { readonly kind: 'emit'; readonly session: SessionAddress; readonly tag: number; readonly frame: unknown }
  | { readonly kind: 'close'; readonly session: SessionAddress; readonly code: number; readonly reason: string }
  /** Reads beside the turns of the actor; what the generator returns is carried out, but for `look`. */
  | { readonly kind: 'look'; readonly look: () => Reading<readonly Effect[]>; readonly failed: (failure: Failure) => readonly Effect[] }
  /** The actor wants the command `{ kind: 'alarm' }` after this time, or sooner if it asked for that before. */
  | { readonly kind: 'alarm'; readonly afterMs: number };

/** When a turn takes place. */
export interface Moment {
  /** Milliseconds since 1970, as people see it: it may step forwards and backwards. */
  readonly wall: number;
  /** Milliseconds that go on evenly, for deadlines; since when, and so whether they outlive the process, is not said. */
  readonly steady: number;
}

/** Anything with a `kind`; each actor kind narrows it to its own union. */
export interface Command {
  readonly kind: string;
}

export const ALARM: Command = { kind: 'alarm' };

/** A computation that yields what it wants read and is resumed with the rows, one array per read. */
export type Reading<Result> = Generator<readonly Read[], Result, readonly (readonly Row[])[]>;

/** What is to be stored, and then to be told. */
export interface Conclusion {
  readonly writes: readonly Write[];
  readonly effects: readonly Effect[];
}

export interface Outcome<Event> {
  readonly events: readonly Event[];
  readonly effects: readonly Effect[];
}

/**
 * What an actor is: functions over its state, with no clock, no I/O and no knowledge of where it runs.
 * The host calls them; see actor-host.ts for when.
 */
export interface ActorKind<State, Received extends Command, Event> {
  readonly kind: string;
  /** Rebuilds the state of `id` from the store: its snapshot and the log after it. What it is to `carry` from is given. */
  restore(id: string, lost: State | undefined): Reading<State>;
  /**
   * What must be read before `command` can be decided; undefined (the usual case): nothing. It puts what
   * it read into the state. No command of the actor is decided meanwhile, so order is kept.
   */
  load(state: State, command: Received): Reading<void> | undefined;
  /** Changes nothing. May throw a `Failure` to refuse the command. */
  decide(state: State, command: Received, now: Moment): Outcome<Event>;
  /** Changes `state` in place. Can't fail. */
  apply(state: State, event: Event): void;
  /** At the end of a turn: what to store of its events, and whom to tell about them. It may note in `state` what the rows now say. */
  conclude(state: State, events: readonly Event[], epoch: number): Conclusion;
  /** The answer to a command that won't be decided: refused, shed, or lost with a failed turn. */
  refuse(command: Received, failure: Failure): readonly Effect[];
  /** Takes over from a lost state what isn't stored: sessions, watchers. `to` is freshly restored. Gives whom to tell of it. */
  carry(from: State, to: State): readonly Effect[];
  /** The activation ends by our bug: what to tell those who depend on it, so that they come back. */
  abandon(state: State): readonly Effect[];
  /** True for commands that nobody tells again: they are taken however many wait, because few can be. */
  vital(command: Received): boolean;
  /** True for commands whose loss nobody is promised against; these are shed first. */
  sheddable(command: Received): boolean;
  /** True for commands that come from clients; the mailbox takes fewer of these than of the others. */
  fromClient(command: Received): boolean;
  /** Whether there are derived rows to write. */
  dirty(state: State): boolean;
  /** The derived rows that changed since the last call; it marks them clean. */
  derive(state: State, epoch: number): readonly Write[];
  /** Whether, before the activation ends, something is to be written that isn't while it goes on, or told that could wait. */
  unclosed(state: State): boolean;
  /** That, and the derived rows that changed; it marks them clean. */
  close(state: State, epoch: number): Conclusion;
  /** Whether the activation may be unloaded: nothing connected, nothing under way. */
  idle(state: State): boolean;
  /** Drops what hasn't been used for some calls and is as it is in the store, and makes the rest small. Nothing that was written is under way. */
  tidy(state: State): void;
  /** An estimate of the memory the state holds. */
  bytes(state: State): number;
}

/** Where the effects `emit` and `close` go; the gateway implements it. Calls for unknown sessions are ignored. */
export interface Sessions {
  emit(session: SessionAddress, tag: number, frame: unknown): void;
  close(session: SessionAddress, code: number, reason: string): void;
}
