import { signToken } from '../../src/transport/tokens.ts';

export const testSecret = 'a secret that only tests know, 32 bytes or more';

export const testToken = (user: string, ttlSeconds = 3_600): string => signToken(testSecret, user, ttlSeconds, Date.now());
