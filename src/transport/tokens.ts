import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createDecoder, createSigner, createVerifier, TokenError } from 'fast-jwt';
import type { Clock } from '../clock.ts';
import { Failure } from '../failure.ts';
import { isName, type UserId } from '../ids.ts';

/** Whom a token names, and when it ends, in milliseconds since 1970. */
export interface Bearer {
  readonly user: UserId;
  readonly expiresAt: number;
}

/** Checks tokens (PROTOCOL 10.1); throws a `Failure` `unauthorized` or `token-expired`. */
export interface Verify {
  user(token: string): Bearer;
  /** A token that only who has the node's secret can make for the CLI. */
  operator(token: string): void;
}

export interface KeySettings {
  readonly clockSkewMs: number;
  /** A public key in PEM, or a JWKS; '' for none. Without either, tokens are signed with the node's secret. */
  readonly publicKeyFile: string;
  readonly jwksFile: string;
}

const OPERATOR = 'parley:operator';
const OPERATOR_TTL_SECONDS = 60;

/** The claims of a token whose signature is good. */
type Check = (token: string) => Readonly<Record<string, unknown>>;

export async function openVerify(parts: {
  readonly settings: KeySettings;
  readonly secret: string;
  readonly clock: Clock;
}): Promise<Verify> {
  const { settings, secret, clock } = parts;
  const bySecret = signedWith(secret, 'HS256');
  const byKeys = await keysOf(settings);
  const check = byKeys.length === 0 ? bySecret : byAny(byKeys);

  function claimsOf(token: string, signed: Check): { readonly claims: Readonly<Record<string, unknown>>; readonly expiresAt: number } {
    const claims = claimsOrFailure(token, signed);
    const { exp, nbf } = claims;
    if (typeof exp !== 'number') throw unauthorized('it has no exp');
    const now = clock.now();
    const expiresAt = exp * 1000 + settings.clockSkewMs;
    if (expiresAt <= now) throw expired();
    if (nbf !== undefined && !(Number(nbf) * 1000 - settings.clockSkewMs <= now)) throw unauthorized('it is not good yet (nbf)');
    return { claims, expiresAt };
  }

  return {
    user(token) {
      const { claims, expiresAt } = claimsOf(token, check);
      if (isForOperators(claims)) throw unauthorized('it is for operators, not for users');
      const { sub } = claims;
      if (typeof sub !== 'string' || !isName(sub)) throw unauthorized('its sub is no user id');
      return { user: sub as UserId, expiresAt };
    },
    operator(token) {
      if (!isForOperators(claimsOf(token, bySecret).claims)) throw unauthorized('it is not for operators');
    },
  };
}

/** Remembers the good ones, so that polling costs no signature check each time; the oldest are forgotten first. */
export function remembering(verify: Verify, clock: Clock, tokensMax: number): Verify {
  const known = new Map<string, Bearer>();
  return {
    user(token) {
      const bearer = known.get(token);
      if (bearer !== undefined) {
        if (bearer.expiresAt > clock.now()) return bearer;
        known.delete(token);
        throw expired();
      }
      const fresh = verify.user(token);
      if (known.size >= tokensMax) known.delete(known.keys().next().value as string);
      known.set(token, fresh);
      return fresh;
    },
    operator: (token) => verify.operator(token),
  };
}

/** A token for a user; `ttlSeconds` may be negative, for tests. */
export const signToken = (secret: string, user: string, ttlSeconds: number, now: number): string =>
  sign(secret, { sub: user }, ttlSeconds, now);

/** A token with which the CLI asks a node how it is. */
export const signOperatorToken = (secret: string, now: number): string =>
  sign(secret, { sub: 'operator', aud: OPERATOR }, OPERATOR_TTL_SECONDS, now);

function sign(secret: string, claims: object, ttlSeconds: number, now: number): string {
  const iat = Math.floor(now / 1000);
  return createSigner({ key: secret, algorithm: 'HS256', noTimestamp: true })({ ...claims, iat, exp: iat + ttlSeconds });
}

const unauthorized = (why: string): Failure => new Failure('unauthorized', `the token is not good: ${why}`);
const expired = (): Failure => new Failure('token-expired', 'the token has expired: get a new one');

const isForOperators = ({ aud }: Readonly<Record<string, unknown>>): boolean =>
  aud === OPERATOR || (Array.isArray(aud) && aud.includes(OPERATOR));

function claimsOrFailure(token: string, signed: Check): Readonly<Record<string, unknown>> {
  try {
    return signed(token);
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw new Failure('unauthorized', `the token is not good: ${thrown instanceof TokenError ? thrown.message : 'it is no JWT'}`, {
      cause: thrown,
    });
  }
}

type KeyAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** Expiry is looked at elsewhere, by the clock that everything here goes by. */
const signedWith = (key: string, algorithm: KeyAlgorithm): Check =>
  createVerifier({ key, algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true, cache: false }) as Check;

interface NamedKey {
  readonly id: string | undefined;
  readonly check: Check;
}

async function keysOf({ publicKeyFile, jwksFile }: KeySettings): Promise<readonly NamedKey[]> {
  const keys: NamedKey[] = [];
  if (publicKeyFile !== '') {
    const pem = await readKeyFile('tokens.publicKeyFile', publicKeyFile);
    keys.push(
      publicKey(
        keyIn('tokens.publicKeyFile', publicKeyFile, 'PEM public key', () => createPublicKey(pem)),
        undefined,
        publicKeyFile,
      ),
    );
  }
  if (jwksFile !== '') {
    const text = await readKeyFile('tokens.jwksFile', jwksFile);
    const listed = keyIn('tokens.jwksFile', jwksFile, 'JWKS', () =>
      (JSON.parse(text) as { keys: (JsonWebKey & { kid?: string })[] }).keys.map((key) => ({
        id: key.kid,
        key: createPublicKey({ key, format: 'jwk' }),
      })),
    );
    for (const { id, key } of listed) keys.push(publicKey(key, id, jwksFile));
  }
  return keys;
}

async function readKeyFile(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Failure('bad-field', `${setting}: ${file} can't be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

function keyIn<Key>(setting: string, file: string, what: string, read: () => Key): Key {
  try {
    return read();
  } catch (cause) {
    throw new Failure('bad-field', `${setting}: ${file} holds no ${what}`, { cause });
  }
}

function publicKey(key: KeyObject, id: string | undefined, file: string): NamedKey {
  const pem = key.export({ type: 'spki', format: 'pem' }) as string;
  return { id, check: signedWith(pem, algorithmOf(key, file)) };
}

/** The one algorithm that goes with a key: what a token says about itself isn't asked. */
function algorithmOf(key: KeyObject, file: string): KeyAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new Failure('bad-field', `${file}: a key must be RSA, Ed25519 or P-256, not ${key.asymmetricKeyType}`);
}

const headerOf = createDecoder({ complete: true }) as (token: string) => { readonly header: { readonly kid?: unknown } };

/** The key that the token names, or each that has no name. */
function byAny(keys: readonly NamedKey[]): Check {
  return (token) => {
    const { kid } = headerOf(token).header;
    const named = keys.filter(({ id }) => kid !== undefined && id === kid);
    let problem: unknown = unauthorized('no key here goes with it');
    for (const { check } of named.length > 0 ? named : keys.filter(({ id }) => id === undefined || kid === undefined)) {
      try {
        return check(token);
      } catch (thrown) {
        problem = thrown; // another key may fit; if none does, the last problem is told
      }
    }
    throw problem;
  };
}
