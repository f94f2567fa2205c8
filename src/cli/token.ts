import { type Flags, loadConfig } from '../config-load.ts';
import { readSecret } from '../data-directory.ts';
import { Failure } from '../failure.ts';
import { isName } from '../ids.ts';
import { signToken } from '../transport/tokens.ts';

export async function token(user: string, flags: Flags & { readonly ttl?: string }): Promise<void> {
  if (!isName(user)) throw new Failure('bad-field', `${JSON.stringify(user)} is no user id; that is 1 to 64 of A–Z a–z 0–9 . _ -`);
  const { config } = await loadConfig(flags, process.env);
  const ttlSeconds = flags.ttl === undefined ? Math.ceil(config.tokens.ttlMs / 1000) : asSeconds(flags.ttl);
  const secret = await secretOf(config.data);
  if (config.tokens.publicKeyFile !== '' || config.tokens.jwksFile !== '') {
    process.stderr.write(
      'parley: users’ tokens are signed with another key here (tokens.publicKeyFile, tokens.jwksFile): the node will refuse this one\n',
    );
  }
  process.stdout.write(`${signToken(secret, user, ttlSeconds, Date.now())}\n`);
}

/** The secret of the node on this data: what signs its tokens. */
export async function secretOf(data: string): Promise<string> {
  const secret = process.env['PARLEY_SECRET'] || (await readSecret(data));
  if (secret !== undefined) return secret;
  throw new Failure(
    'not-found',
    `there is no secret in ${data} yet: start the node first, name its data with --data, or set PARLEY_SECRET`,
  );
}

function asSeconds(text: string): number {
  if (/^-?\d{1,12}$/.test(text)) return Number(text);
  throw new Failure('bad-field', `--ttl is ${JSON.stringify(text)}, and should be a whole number of seconds`);
}
