import type { LatencySummary } from './latencies.ts';

export type WireName = 'parley' | 'socket.io' | 'echo';

/** The server to load, and how to talk to it. */
export interface Subject {
  readonly wire: WireName;
  readonly host: string;
  readonly port: number;
  /** Whose CPU time is counted. */
  readonly pid: number;
  /** What Parley's tokens are signed with. */
  readonly secret: string;
}

/** Who sends where. */
export interface Route {
  readonly from: string;
  readonly conversation: string;
}

interface Sending {
  readonly routes: readonly Route[];
  /** Users who are connected and only listen. */
  readonly listeners: readonly string[];
  /** How many others get each message. */
  readonly receivers: number;
  /** A group that is made before, for all of these users, by the first. */
  readonly group: { readonly conversation: string; readonly members: readonly string[] } | undefined;
}

export type Job =
  /** Each route has `inFlight` messages under way; an answer to the sender, or to everyone, makes room for the next. */
  | (Sending & {
      readonly kind: 'closed-loop';
      readonly inFlight: number;
      readonly next: 'after sent' | 'after everyone';
      readonly warmMs: number;
      readonly measureMs: number;
      /** Ends after this many messages even if time is left. */
      readonly messagesMax: number;
      /** How many routes are in use at once, each for 3 × `inFlight` messages before its turn passes on; all, if left out. */
      readonly routesAtOnce?: number;
    })
  /**
   * A calm load of one message under way on each route; then so many, each that is answered replaced at once and each
   * that is refused sent again after its time; then, a second after that ended, the calm load again.
   */
  | (Sending & {
      readonly kind: 'overload';
      readonly inFlight: number;
      readonly calmMs: number;
      readonly floodMs: number;
    })
  /** Stores messages: `perRoute` on each route, `atOnce` under way in all. */
  | (Sending & { readonly kind: 'fill'; readonly perRoute: number; readonly atOnce: number })
  /** Messages leave by the clock, whatever comes back; all durations count from when they were due. */
  | (Sending & { readonly kind: 'open-loop'; readonly perSecond: number; readonly warmMs: number; readonly measureMs: number })
  /** Each user logs in once. `timed`: all from the connection on, or from `hello` on sockets opened before. */
  | {
      readonly kind: 'logins';
      readonly users: readonly string[];
      readonly cursor: number;
      readonly atOnce: number;
      readonly timed: 'connect' | 'hello';
      readonly list: number;
    }
  /** Connects all and says so, then waits for `release`. */
  | { readonly kind: 'idle'; readonly users: readonly string[]; readonly sources: readonly string[]; readonly atOnce: number }
  /** Asks for pages, each route `inFlight` at a time: a random one below seq `before`, or the newest if that is 0. */
  | {
      readonly kind: 'history';
      readonly routes: readonly Route[];
      readonly before: number;
      readonly limit: number;
      readonly inFlight: number;
      readonly warmMs: number;
      readonly measureMs: number;
    }
  /** Each user reads its whole inbox from cursor 0; answers how many messages the shortest one held. */
  | { readonly kind: 'catch-up'; readonly users: readonly string[]; readonly messages: number };

export interface JobResult {
  /** What was done in the measured time: messages, logins, pages. */
  readonly count: number;
  readonly perSecond: number;
  readonly serverMicros: number;
  readonly generatorMicros: number;
  /** What processes that are neither the server nor the generator took of the machine meanwhile, or its host did. */
  readonly othersPercent: number;
  readonly sent?: LatencySummary;
  readonly event?: LatencySummary;
  readonly last?: LatencySummary;
  /** How late messages left, by the clock. */
  readonly late?: LatencySummary;
  /** Before, during and after an overload: from sending to `sent`. */
  readonly calm?: LatencySummary;
  readonly flood?: LatencySummary;
  readonly after?: LatencySummary;
  /** Messages a second that were refused meanwhile. */
  readonly refusedPerSecond?: number;
  /** Everything sent by this job, measured or not. */
  readonly total?: number;
}

export type JobReport =
  | { readonly kind: 'holding' }
  | { readonly kind: 'done'; readonly result: JobResult }
  | { readonly kind: 'failed'; readonly reason: string };
export interface JobRequest {
  readonly subject: Subject;
  readonly job: Job;
  readonly run: string;
}
