/**
 * The one closed table of failures. The same code stands on the wire (PROTOCOL.md, Errors), in logs
 * and in metrics. `again` says what a client may do: `no` (it would fail again), `later` (nothing was
 * stored; wait `retryAfterMs`), `same-client-id` (the outcome is unknown: resend and read the answer).
 */
export const FAILURES = {
  'bad-frame': { again: 'no' },
  'bad-field': { again: 'no' },
  'unknown-type': { again: 'no' },
  'too-large': { again: 'no' },
  'hello-first': { again: 'no' },
  unauthorized: { again: 'no' },
  'token-expired': { again: 'no' },
  forbidden: { again: 'no' },
  'not-found': { again: 'no' },
  'not-member': { again: 'no' },
  conflict: { again: 'no' },
  limit: { again: 'no' },
  'rate-limited': { again: 'later' },
  overloaded: { again: 'later' },
  unavailable: { again: 'later' },
  timeout: { again: 'same-client-id' },
  internal: { again: 'same-client-id' },
} as const satisfies Record<string, { again: 'no' | 'later' | 'same-client-id' }>;

export type FailureCode = keyof typeof FAILURES;

/**
 * A failure that somebody is told: what happened and what to do about it. Only a bug's stack is kept: taking one
 * costs as much as storing a message, and under overload that is what there is least of. A cause keeps its own.
 */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    const { stackTraceLimit } = Error;
    if (code !== 'internal') Error.stackTraceLimit = 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'Failure';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The failure itself, or `internal` around anything else that was thrown. */
  static from(thrown: unknown): Failure {
    if (thrown instanceof Failure) return thrown;
    return new Failure('internal', 'something went wrong here; resend with the same client id', { cause: thrown });
  }
}
