import type { Write } from '../storage/store.ts';
import type { Address, Command, Effect, Reading } from './actor.ts';
import type { TurnTaker } from './executor.ts';
import type { WaitingCount } from './mailbox.ts';
import type { SupervisionSettings } from './supervision.ts';

export interface HostSettings extends SupervisionSettings {
  /** Commands decided in one turn before others get theirs. */
  readonly turnCommandsMax: number;
  /** … or this long, whichever comes first. */
  readonly turnMs: number;
  /** Commands of clients that may wait; one more is refused with `overloaded`. */
  readonly mailboxClientMax: number;
  /** Commands of any origin that may wait; actors tell again what was lost here. */
  readonly mailboxMax: number;
  /** The longest pause between attempts to read for an actor: when the store is back, so is everybody, soon. */
  readonly restorePauseMaxMs: number;
}

/** What a host needs of the region that it lives in. */
export interface Surroundings {
  readonly settings: HostSettings;
  readonly ordered: boolean;
  readonly count: WaitingCount;
  /** The epoch under which an actor's rows are written. */
  epochOf(address: Address): number;
  now(): number;
  monotonic(): number;
  /** Has `turn` called soon. */
  run(host: TurnTaker): void;
  write(writes: readonly Write[]): Promise<void>;
  perform<Result>(reading: Reading<Result>): Promise<Result>;
  /** Carries out effects that may be seen now. */
  carryOut(host: TurnTaker, effects: readonly Effect[]): void;
  /** Carries out tells whose write is only submitted. */
  tellEarly(effects: readonly Effect[]): void;
  /** How many writes of this node were lost so far; a host that loses one says so. */
  losses(): number;
  lost(): void;
  /** Has `flush` called, once, in time. */
  flushLater(host: TurnTaker): void;
  /** Calls `wakeUp` after the delay. */
  later(delayMs: number, wakeUp: () => void): void;
  crashed(address: Address, command: Command | undefined, error: unknown): void;
  shed(command: Command): void;
}
