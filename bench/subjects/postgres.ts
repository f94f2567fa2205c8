import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { dataDirectory, removeDirectory } from './data-directory.ts';
import { attend, endOf } from './running.ts';

const READY_WITHIN_MS = 30_000;
/** Debian keeps the server's programs off the PATH. */
const DEBIAN = '/usr/lib/postgresql';
/** PostgreSQL as it comes, with memory for a bench; what it promises about disks stays on. */
const SETTINGS = ['listen_addresses=', 'shared_buffers=256MB', 'max_wal_size=4GB', 'jit=off'];

export interface Postgres {
  readonly connection: pg.PoolConfig;
  stop(): Promise<void>;
}

const onPath = (program: string): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(':')
    .map((directory) => join(directory, program))
    .find(existsSync);

function programs(): { readonly initdb: string; readonly postgres: string } | undefined {
  const initdb = onPath('initdb');
  const postgres = onPath('postgres');
  if (initdb !== undefined && postgres !== undefined) return { initdb, postgres };
  if (!existsSync(DEBIAN)) return undefined;
  const newest = readdirSync(DEBIAN).sort((one, other) => Number(other) - Number(one))[0];
  if (newest === undefined || !existsSync(join(DEBIAN, newest, 'bin', 'initdb'))) return undefined;
  return { initdb: join(DEBIAN, newest, 'bin', 'initdb'), postgres: join(DEBIAN, newest, 'bin', 'postgres') };
}

/** PostgreSQL refuses to run as root; there is usually a user for it. */
function identity(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  try {
    const id = (what: string): number =>
      Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

export const postgresInstalled = (): boolean => programs() !== undefined && identity() !== undefined;

/** A cluster of its own in a temporary directory, reached over a Unix socket there. */
export async function startPostgres(under: string | undefined): Promise<Postgres> {
  const { initdb, postgres } = programs() as NonNullable<ReturnType<typeof programs>>;
  const who = identity() as NonNullable<ReturnType<typeof identity>>;
  const directory = await dataDirectory(under);
  chownSync(directory, who.uid, who.gid);
  const data = join(directory, 'data');
  await mkdir(data);
  chownSync(data, who.uid, who.gid);
  const as = { ...who, cwd: directory, stdio: 'ignore' as const };
  execFileSync(initdb, ['-D', data, '-U', 'bench', '--auth=trust', '--locale=C', '--encoding=UTF8'], as);
  const child = spawn(postgres, ['-D', data, '-k', directory, ...SETTINGS.flatMap((setting) => ['-c', setting])], as);
  attend(child);
  const connection = { host: directory, user: 'bench', database: 'postgres' };
  const until = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const client = new pg.Client(connection);
    try {
      await client.connect();
      await client.end();
      break;
    } catch (error) {
      if (performance.now() > until || child.exitCode !== null) throw new Error("PostgreSQL doesn't start", { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    connection,
    async stop() {
      child.kill('SIGINT');
      await endOf(child);
      await removeDirectory(directory);
    },
  };
}
