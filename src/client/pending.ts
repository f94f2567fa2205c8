import { FAILURES, Failure, type FailureCode } from '../failure.ts';
import { deferred } from './deferred.ts';
import type { ErrorFrame, Request, ServerFrame, Submission } from './frames.ts';

/**
 * What was asked and has no answer yet. It is written when a connection is live, again on each new one, and
 * again after an error that allows it; so whoever asks hears exactly once: the answer, the error, or, after
 * `timeoutMs`, that the outcome is unknown.
 */
export interface Pending {
  /** Asks for `frame` under its client id or id. In one `lane` each waits for the answer to the one before. */
  ask(frame: Submission | Request, options: { readonly lane: string | undefined; readonly timeoutMs: number }): Promise<ServerFrame>;
  /** The frame that was asked under this client id and has no answer yet. */
  submission(clientId: string): Submission | undefined;
  answer(frame: ServerFrame & { readonly id?: string; readonly clientId?: string }): void;
  /** False where nothing was asked that this error could belong to. */
  refuse(error: ErrorFrame): boolean;
  /** A connection is live: what has no answer is written, in the order it was asked. */
  opened(): void;
  closed(): void;
  /** Every ask, now and later, ends with this. */
  end(failure: Failure): void;
  readonly size: number;
}

export interface PendingOptions {
  readonly write: (frame: Submission | Request) => void;
  /** Asks without an answer; one more is refused at once. */
  readonly max: number;
  readonly random: () => number;
}

interface Ask {
  readonly key: string;
  readonly frame: Submission | Request;
  readonly lane: string | undefined;
  readonly promise: Promise<ServerFrame>;
  resolve(frame: ServerFrame): void;
  reject(failure: Failure): void;
  deadline: ReturnType<typeof setTimeout> | undefined;
  /** While set, it waits before it may be written again. */
  rest: ReturnType<typeof setTimeout> | undefined;
  tries: number;
}

/** After so many errors that said "try again", the last one is the answer. */
const TRIES_MAX = 20;
const REST_MS = 250;
const REST_MAX_MS = 10_000;
/** The longest delay a timer takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function createPending({ write, max, random }: PendingOptions): Pending {
  const asks = new Map<string, Ask>();
  const lanes = new Map<string, Ask[]>();
  let live = false;
  let ended: Failure | undefined;

  const isFirst = (ask: Ask): boolean => ask.lane === undefined || lanes.get(ask.lane)?.[0] === ask;

  function writeIfDue(ask: Ask): void {
    if (live && ask.rest === undefined && isFirst(ask)) write(ask.frame);
  }

  function remove(ask: Ask): void {
    clearTimeout(ask.deadline);
    clearTimeout(ask.rest);
    asks.delete(ask.key);
    const lane = ask.lane === undefined ? undefined : lanes.get(ask.lane);
    if (lane === undefined) return;
    const wasFirst = lane[0] === ask;
    lane.splice(lane.indexOf(ask), 1);
    if (lane.length === 0) lanes.delete(ask.lane as string);
    else if (wasFirst) writeIfDue(lane[0] as Ask);
  }

  function add(key: string, frame: Submission | Request, lane: string | undefined, timeoutMs: number): Promise<ServerFrame> {
    const { promise, resolve, reject } = deferred<ServerFrame>();
    const ask: Ask = { key, frame, lane, promise, resolve, reject, deadline: undefined, rest: undefined, tries: 0 };
    if (timeoutMs <= TIMER_MAX_MS) {
      ask.deadline = setTimeout(() => {
        remove(ask);
        reject(new Failure('timeout', `no answer within ${timeoutMs} ms; the outcome is unknown: ask again, with the same client id`));
      }, timeoutMs);
    }
    asks.set(key, ask);
    if (lane !== undefined) {
      const queue = lanes.get(lane);
      if (queue === undefined) lanes.set(lane, [ask]);
      else queue.push(ask);
    }
    writeIfDue(ask);
    return promise;
  }

  function tryLater(ask: Ask, afterMs: number): void {
    ask.tries += 1;
    clearTimeout(ask.rest);
    ask.rest = setTimeout(() => {
      ask.rest = undefined;
      writeIfDue(ask);
    }, afterMs);
  }

  return {
    get size() {
      return asks.size;
    },
    submission: (clientId) => asks.get(keyOf({ clientId }))?.frame as Submission | undefined,
    ask(frame, { lane, timeoutMs }) {
      if (ended !== undefined) return Promise.reject(ended);
      const key = keyOf(frame);
      const same = asks.get(key);
      if (same !== undefined) return same.promise;
      if (asks.size >= max) return Promise.reject(new Failure('overloaded', `${max} requests have no answer yet: wait for some`));
      return add(key, frame, lane, timeoutMs);
    },
    answer(frame) {
      const ask = asks.get(keyOf(frame));
      if (ask === undefined) return;
      remove(ask);
      ask.resolve(frame);
    },
    refuse(error) {
      const ask = asks.get(keyOf(error));
      if (ask === undefined) return false;
      const again = againAfter(error.code);
      if (again === 'no' || ask.tries >= TRIES_MAX) {
        remove(ask);
        ask.reject(failureOf(error));
      } else {
        const leastMs = error.retryAfterMs ?? Math.min(REST_MAX_MS, REST_MS * 2 ** ask.tries);
        tryLater(ask, leastMs * (1 + random()));
      }
      return true;
    },
    opened() {
      live = true;
      for (const ask of asks.values()) writeIfDue(ask);
    },
    closed() {
      live = false;
    },
    end(failure) {
      ended = failure;
      live = false;
      const left = [...asks.values()];
      for (const ask of left) remove(ask);
      for (const ask of left) ask.reject(failure);
    },
  };
}

/** Client ids and ids are two name spaces; an answer that has both belongs to the client id. */
const keyOf = (frame: { readonly id?: string; readonly clientId?: string }): string =>
  frame.clientId === undefined ? `id ${frame.id}` : `client id ${frame.clientId}`;

/** A code that isn't in the table is final (PROTOCOL 9.1.3). */
const againAfter = (code: string): 'no' | 'later' | 'same-client-id' =>
  Object.hasOwn(FAILURES, code) ? FAILURES[code as FailureCode].again : 'no';

export const failureOf = (error: ErrorFrame): Failure =>
  new Failure(error.code as FailureCode, error.message, error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs });
