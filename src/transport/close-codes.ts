import type { FailureCode } from '../failure.ts';

/** PROTOCOL 9.2: 4000 to 4499 mean reconnect, 4500 to 4999 don't. */
export const CLOSE = {
  goingAway: 4000,
  slow: 4001,
  silent: 4002,
  overloaded: 4003,
  protocol: 4500,
  unauthorized: 4502,
  tokenExpired: 4503,
  tooManyDevices: 4505,
  /** The WebSocket protocol's own: a message too big to be read. */
  tooBig: 1009,
  /** The WebSocket protocol's own: we met a bug. */
  broken: 1011,
} as const;

/** The close that follows an error before `welcome` (PROTOCOL 4.1.5). */
export function closeAfter(code: FailureCode): number {
  switch (code) {
    case 'unauthorized':
      return CLOSE.unauthorized;
    case 'token-expired':
      return CLOSE.tokenExpired;
    case 'limit':
      return CLOSE.tooManyDevices;
    case 'rate-limited':
    case 'overloaded':
    case 'unavailable':
    case 'timeout':
    case 'internal':
      return CLOSE.overloaded;
    default:
      return CLOSE.protocol;
  }
}
