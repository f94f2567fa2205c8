import { Failure, type FailureCode } from '../failure.ts';

export type AfterClose = 'reconnect' | 'new-token' | 'stop';

/** What a close code asks of the client (PROTOCOL 9.2). Codes of others, like 1006, mean that the connection broke. */
export function afterClose(code: number): AfterClose {
  if (code === 4503) return 'new-token';
  return code >= 4500 && code <= 4999 ? 'stop' : 'reconnect';
}

const CODES: Readonly<Record<number, FailureCode>> = {
  4500: 'bad-frame',
  4501: 'conflict',
  4502: 'unauthorized',
  4503: 'token-expired',
  4504: 'forbidden',
  4505: 'limit',
};

/** Why a client has ended for good. */
export const failureOfClose = (code: number, reason: string): Failure =>
  new Failure(CODES[code] ?? 'forbidden', `the server closed the connection with ${code}${reason === '' ? '' : `: ${reason}`}`);
