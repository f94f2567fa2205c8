import type { SessionCommand } from '../actors/messages.ts';
import type { Clock } from '../clock.ts';
import type { Sessions } from '../cluster/actor.ts';
import type { Failure } from '../failure.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { GatewaySettings } from './settings.ts';

/** Checks tokens; throws a `Failure` `unauthorized` or `token-expired`. */
export interface Verify {
  /** The user that a client's token names, and when it ends, in milliseconds since 1970. */
  user(token: string): { readonly user: UserId; readonly expiresAt: number };
  /** A token that only who has the node's secret can make for the CLI. */
  operator(token: string): void;
}

export interface GatewayOptions {
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name, as `welcome` and `SessionAddress` have it. */
  readonly node: string;
  readonly tellUser: (user: UserId, command: SessionCommand) => void;
  readonly verify: Verify;
  /** Why no more work is taken at this moment (`overloaded`, `unavailable`); asked once per message. */
  readonly shed: () => Failure | undefined;
  /** Why this node can't serve: the text that /readyz gives with 503. */
  readonly notReady: () => string | undefined;
  /** What `GET /v1/status` gives an operator, beside the gateway's own figures. */
  readonly status: () => object;
}

export interface GatewayStats {
  readonly connections: number;
  readonly polls: number;
  readonly requests: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly eventsOut: number;
  readonly sent: number;
  readonly sentPerSecond: number;
  /** From `send` read to `sent` written. */
  readonly sentP50Ms: number;
  readonly sentP99Ms: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Gateway {
  readonly port: number;
  readonly sessions: Sessions;
  stats(): GatewayStats;
  /** Tells every client `goaway`, waits for what is in flight, closes with 4000, takes no more. */
  drain(reason: string): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}

export function openGateway(_options: GatewayOptions): Promise<Gateway> {
  throw new Error('not written yet');
}
