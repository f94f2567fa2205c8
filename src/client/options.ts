import type { Failure } from '../failure.ts';
import type { Backoff } from './backoff.ts';
import type { CodecName } from './choose-codec.ts';
import type { ClientFrame, EventFrame, Presence, Receipt, Reset, ServerFrame, Typing, Welcome } from './frames.ts';
import type { SocketConstructor } from './socket.ts';

export type ClientState = 'connecting' | 'live' | 'waiting' | 'ended';

/** What went wrong without ending the client; for a log. */
export type Problem =
  /** An event came out of its turn: the client connects again. */
  | { readonly kind: 'gap'; readonly expected: number; readonly got: number }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** An error that belongs to nothing that was asked. */
  | { readonly kind: 'error'; readonly failure: Failure }
  | { readonly kind: 'token'; readonly thrown: unknown };

export interface Handlers {
  /**
   * Everything that happens, in order, each once, one at a time: the next comes when the promise is
   * fulfilled. Save the `lsn` with what you save of the event: it is the cursor for the next `connect`.
   * One's own entries come too; `body` is missing of one's own operations on groups. A handler that
   * throws ends the client, because its cursor can't pass an event that wasn't taken.
   */
  readonly event?: (event: EventFrame) => void | Promise<void>;
  /** Drop what came from events, read `conversations()`, go on from this cursor (PROTOCOL 4.4). */
  readonly reset?: (reset: Reset) => void | Promise<void>;
  readonly receipt?: (receipt: Receipt) => void;
  readonly typing?: (typing: Typing) => void;
  readonly presence?: (presence: Presence) => void;
  /** On every new connection. */
  readonly welcome?: (welcome: Welcome) => void;
  readonly state?: (state: ClientState) => void;
  readonly problem?: (problem: Problem) => void;
}

export interface ConnectOptions {
  /** `ws://localhost:8080/v1/ws` */
  readonly url: string;
  /** Called before each connection where it is a function, so it can give a fresh one. */
  readonly token: string | (() => string | Promise<string>);
  readonly device: string;
  /** The last lsn that this device has; without one it starts from now. */
  readonly cursor?: number;
  readonly on?: Handlers;
  readonly codec?: CodecName;
  /** Where there is no global one, or to use another. */
  readonly WebSocket?: SocketConstructor;
  /**
   * `kept` (the default): a submission waits for the answer to the one before in its conversation, so that
   * nothing overtakes, even when one is refused and tried again. `loose`: all go out at once, which is faster.
   */
  readonly order?: 'kept' | 'loose';
  /** Until a submission that has no answer is given up, also while offline; `Infinity` is allowed. */
  readonly sendTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  /** Submissions and requests without an answer. */
  readonly pendingMax?: number;
  /** Events that wait for the handler; beyond, the client disconnects and reads on when half are done. */
  readonly eventsWaitingMax?: number;
  readonly openTimeoutMs?: number;
  readonly quietMs?: number;
  readonly backoff?: Backoff;
  readonly random?: () => number;
  /** Sees every frame, for a log. Frames out contain the token. */
  readonly trace?: (direction: 'in' | 'out', frame: ClientFrame | ServerFrame) => void;
}
