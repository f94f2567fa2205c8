import type { SessionCommand } from '../actors/messages.ts';
import type { Clock } from '../clock.ts';
import type { Failure } from '../failure.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Measures } from './measures.ts';
import type { Peers } from './peers.ts';
import type { Rates } from './rates.ts';
import type { Registry } from './registry.ts';
import type { RequestWindow } from './request-window.ts';
import type { GatewaySettings } from './settings.ts';
import type { Verify } from './tokens.ts';
import type { Turns } from './turns.ts';

/** What all sessions of a gateway share. */
export interface Surroundings {
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly node: string;
  readonly tellUser: (user: UserId, command: SessionCommand) => void;
  readonly verify: Verify;
  readonly shed: () => Failure | undefined;
  readonly rates: Rates;
  readonly peers: Peers;
  readonly registry: Registry;
  readonly requests: RequestWindow;
  readonly turns: Turns;
  readonly measures: Measures;
  /** Bytes that sockets haven't taken yet, of all sessions. */
  readonly backlog: { bytes: number };
  /** What `welcome` says under `limits`. */
  readonly limits: object;
}
