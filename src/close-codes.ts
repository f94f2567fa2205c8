/** PROTOCOL 9.2: 4000 to 4499 mean reconnect, 4500 to 4999 don't. */
export const CLOSE = {
  goingAway: 4000,
  slow: 4001,
  silent: 4002,
  overloaded: 4003,
  protocol: 4500,
  replaced: 4501,
  unauthorized: 4502,
  tokenExpired: 4503,
  tooManyDevices: 4505,
  /** The WebSocket protocol's own: a message too big to be read. */
  tooBig: 1009,
  /** The WebSocket protocol's own: we met a bug. */
  broken: 1011,
} as const;
