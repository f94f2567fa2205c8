import { Failure } from '../failure.ts';
import { createAcks } from './acks.ts';
import { defaultBackoff, waitMs } from './backoff.ts';
import { type Calls, createCalls } from './calls.ts';
import { chooseCodec } from './choose-codec.ts';
import { afterClose, failureOfClose } from './close-code.ts';
import type { Codec } from './codec.ts';
import { type Closed, type Connection, openConnection } from './connection.ts';
import { deferred } from './deferred.ts';
import type { ClientFrame, ErrorFrame, ServerFrame, Welcome } from './frames.ts';
import { createInbox } from './inbox.ts';
import type { ClientState, ConnectOptions } from './options.ts';
import { createPending, failureOf } from './pending.ts';
import { globalSocket } from './socket.ts';
import { createStanding } from './standing.ts';
import { createStream } from './stream.ts';

export interface Client extends Calls {
  readonly state: ClientState;
  /** The lsn up to which the handler has everything: the cursor for the next `connect` of this device. */
  readonly cursor: number | undefined;
  /** The first `welcome`; rejects with the reason where the client ended before. */
  readonly ready: Promise<Welcome>;
  /** Fulfilled when the client has ended: with the reason, or with undefined after `close`. */
  readonly ended: Promise<Failure | undefined>;
  /** Acknowledges what was handled and disconnects. What has no answer is rejected; its outcome is unknown. */
  close(): Promise<void>;
}

/** After a connection that lived this long the next wait starts over. */
const HELD_MS = 5_000;

/**
 * A device of a user: connects, and again whenever that is of use, so that every event comes to the handler
 * once and in order, and everything asked is answered. See `ConnectOptions` for what can be set.
 */
export function connect(options: ConnectOptions): Client {
  const { on = {}, random = Math.random } = options;
  const WebSocket = options.WebSocket ?? globalSocket();
  let state: ClientState = 'connecting';
  let connection: Connection | undefined;
  let welcome: Welcome | undefined;
  let nextUrl: string | undefined;
  let leaving: ReturnType<typeof setTimeout> | undefined;
  let ending: { readonly failure: Failure | undefined } | undefined;
  let wakeUp = (): void => {};
  const ready = deferred<Welcome>();
  ready.promise.catch(() => {}); // `ended` says it too, to whoever wants to know

  const disconnect = (why: string): void => connection?.close(why);
  function write(frame: ClientFrame): void {
    if (welcome !== undefined && connection?.write(frame) === 'too-large') refuseTooLarge(frame);
  }

  const acks = createAcks((cursor) => write({ type: 'ack', cursor }));
  const pending = createPending({ write, max: options.pendingMax ?? 1_000, random });
  const standing = createStanding(write);
  const inbox = createInbox({
    cursor: options.cursor,
    waitingMax: options.eventsWaitingMax ?? 1_000,
    event: (event) => on.event?.(event),
    reset: (reset) => on.reset?.(reset),
    handled: acks.moved,
    failed: (thrown) => end(new Failure('internal', 'a handler threw, so the client ended', { cause: thrown })),
  });
  const stream = createStream({ inbox, pending, problem: (problem) => on.problem?.(problem), disconnect });
  const { order = 'kept', sendTimeoutMs = 60_000, requestTimeoutMs = 15_000 } = options;
  const calls = createCalls({ pending, standing, write, order, sendTimeoutMs, requestTimeoutMs });

  function become(next: ClientState): void {
    if (state === next) return;
    state = next;
    on.state?.(next);
  }

  function end(failure: Failure | undefined): void {
    if (ending !== undefined) return;
    ending = { failure };
    inbox.end();
    acks.flush();
    disconnect('the client ended');
    const said = failure ?? new Failure('timeout', 'the client was closed; the outcome of what had no answer is unknown');
    pending.end(said);
    ready.reject(said);
    wakeUp();
  }

  function refused(error: ErrorFrame): void {
    if (!pending.refuse(error)) on.problem?.({ kind: 'error', failure: failureOf(error) });
  }

  /** The server would refuse it too, or close the connection over it, again and again. */
  function refuseTooLarge(frame: ClientFrame): void {
    const { id, clientId } = frame as { readonly id?: string; readonly clientId?: string };
    const which = { ...(id === undefined ? {} : { id }), ...(clientId === undefined ? {} : { clientId }) };
    refused({ type: 'error', code: 'too-large', message: 'the frame is over frameBytesMax: send less at once', ...which });
  }

  function live(frame: Welcome, helloCursor: number | undefined): void {
    welcome = frame;
    acks.opened(helloCursor ?? frame.cursor);
    inbox.begin(frame.cursor);
    become('live');
    ready.resolve(frame);
    on.welcome?.(frame);
    standing.opened();
    pending.opened();
  }

  /** Goes at a random moment of the time that is left, so that not all come to the next node at once. */
  function leave(afterMs: number, url: string | undefined): void {
    nextUrl = url;
    clearTimeout(leaving);
    leaving = setTimeout(() => disconnect('the server asked to go away'), random() * afterMs);
  }

  function receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'event':
        return stream.event(frame);
      case 'sent':
        return stream.sent(frame, welcome?.user ?? '');
      case 'reset':
        return inbox.reset(frame);
      case 'page':
      case 'conversations':
      case 'receipts':
      case 'group':
      case 'done':
        return pending.answer(frame);
      case 'error':
        return refused(frame);
      case 'receipt':
        return on.receipt?.(frame);
      case 'typing':
        return on.typing?.(frame);
      case 'presence':
        return on.presence?.(frame);
      case 'goaway':
        return leave(frame.afterMs, frame.url);
      case 'welcome':
      case 'pong':
        return;
      default: {
        const unknown: never = frame; // a frame of a newer server (PROTOCOL 3.1.3)
        return unknown;
      }
    }
  }

  /** One connection, from its token to its close. */
  async function attempt(codec: Codec, token: string): Promise<Closed & { readonly held: 'long' | 'short' }> {
    const cursor = inbox.handled;
    let openedAt = Number.POSITIVE_INFINITY;
    connection = openConnection({
      url: nextUrl ?? options.url,
      WebSocket,
      codec,
      hello: { type: 'hello', token, device: options.device, ...(cursor === undefined ? {} : { cursor }) },
      openTimeoutMs: options.openTimeoutMs ?? 15_000,
      quietMs: options.quietMs ?? 30_000,
      frame(frame) {
        if (frame.type !== 'welcome') return receive(frame);
        openedAt = Date.now();
        live(frame, cursor);
      },
      trace: options.trace,
    });
    nextUrl = undefined;
    const closed = await connection.closed;
    welcome = undefined;
    clearTimeout(leaving);
    acks.closed();
    pending.closed();
    return { ...closed, held: Date.now() - openedAt >= HELD_MS ? 'long' : 'short' };
  }

  async function newToken(): Promise<string | undefined> {
    if (typeof options.token === 'string') return options.token;
    try {
      return await options.token();
    } catch (thrown) {
      on.problem?.({ kind: 'token', thrown });
      return undefined;
    }
  }

  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function run(): Promise<void> {
    const codec = await chooseCodec(options.codec ?? 'json');
    for (let failures = 0; ending === undefined; ) {
      become('connecting');
      const token = await newToken();
      if (ending !== undefined) return;
      const closed = token === undefined ? undefined : await attempt(codec, token);
      if (ending !== undefined) return;
      if (closed !== undefined) {
        on.problem?.({ kind: 'closed', code: closed.code, reason: closed.reason });
        const after = afterClose(closed.code);
        if (after === 'stop' || (after === 'new-token' && typeof options.token === 'string')) {
          return end(failureOfClose(closed.code, closed.reason));
        }
      }
      become('waiting');
      await inbox.drained();
      if (closed?.held === 'long') failures = 0;
      if (ending === undefined) await pause(waitMs(options.backoff ?? defaultBackoff, failures, random));
      failures += 1;
    }
  }

  const ended = run().then(
    () => {
      become('ended');
      return ending?.failure;
    },
    (thrown: unknown) => {
      end(Failure.from(thrown));
      become('ended');
      return ending?.failure;
    },
  );

  return {
    ...calls,
    get state() {
      return state;
    },
    get cursor() {
      return inbox.handled;
    },
    ready: ready.promise,
    ended,
    async close() {
      end(undefined);
      await ended;
    },
  };
}
