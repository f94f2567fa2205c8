import { CLOSE } from '../close-codes.ts';
import type { FailureCode } from '../failure.ts';

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
