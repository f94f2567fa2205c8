import { type Flags, loadConfig } from '../config-load.ts';
import { type NodeNote, readNote } from '../data-directory.ts';
import { Failure } from '../failure.ts';
import { signOperatorToken } from '../transport/tokens.ts';
import { secretOf } from './token.ts';

const ANSWER_WITHIN_MS = 5_000;

/** What `GET /v1/status` says, as far as it is shown. */
interface Status {
  readonly node: string;
  readonly pid: number;
  readonly upMs: number;
  readonly lagMs: number;
  readonly actors: { readonly loaded: Readonly<Record<string, number>>; readonly waiting: number };
  readonly store: {
    readonly engine: string;
    readonly writesPending: number;
    readonly refusing?: string;
    readonly diskFreeBytes?: number;
  };
  readonly memory: { readonly rss: number; readonly heapUsed: number };
  readonly gateway: {
    readonly connections: number;
    readonly polls: number;
    readonly sentPerSecond: number;
    readonly sentP50Ms: number;
    readonly sentP99Ms: number;
    readonly errors: Readonly<Record<string, number>>;
  };
}

export async function status(flags: Flags & { readonly json?: true }): Promise<void> {
  const { config } = await loadConfig(flags, process.env);
  const note = await readNote(config.data);
  if (note === undefined) throw new Failure('not-found', `no node runs on ${config.data}; name its data with --data`);
  if (!alive(note.pid))
    throw new Failure('not-found', `the node that ran on ${config.data} (process ${note.pid}) was killed; start it again`);
  const found = await ask(note, await secretOf(config.data));
  process.stdout.write(flags.json ? `${JSON.stringify(found, null, 2)}\n` : asTable(found, note.url));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function ask(note: NodeNote, secret: string): Promise<Status> {
  const headers = { authorization: `Bearer ${signOperatorToken(secret, Date.now())}` };
  const answer = await fetch(`${note.url}/v1/status`, { headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(
    (error: unknown) => {
      throw new Failure('unavailable', `the node at ${note.url} (process ${note.pid}) doesn't answer`, { cause: error });
    },
  );
  if (answer.status === 401)
    throw new Failure('unauthorized', `the node at ${note.url} has another secret: PARLEY_SECRET must be the one it was started with`);
  if (!answer.ok) throw new Failure('unavailable', `the node at ${note.url} answers with ${answer.status}`);
  return (await answer.json()) as Status;
}

function asTable(found: Status, url: string): string {
  const { actors, gateway, store, memory } = found;
  const failed = Object.entries(gateway.errors).filter(([, count]) => count > 0);
  const rows: [string, string][] = [
    ['node', `${found.node} at ${url}, process ${found.pid}, up ${duration(found.upMs)}`],
    [
      'loaded',
      `${count(actors.loaded['user'] ?? 0)} users, ${count(actors.loaded['group'] ?? 0)} groups; ${count(actors.waiting)} commands wait`,
    ],
    ['connections', `${count(gateway.connections)} WebSockets, ${count(gateway.polls)} polls`],
    ['messages', `${count(gateway.sentPerSecond)}/s`],
    ['send → sent', `p50 ${gateway.sentP50Ms.toFixed(2)} ms, p99 ${gateway.sentP99Ms.toFixed(2)} ms`],
    ['errors', failed.length === 0 ? 'none' : failed.map(([code, times]) => `${code} ${count(times)}`).join(', ')],
    ['store', `${store.engine}, ${count(store.writesPending)} writes wait${free(store.diskFreeBytes)}`],
    ['memory', `${megabytes(memory.rss)}, ${megabytes(memory.heapUsed)} of it JavaScript's; ${found.lagMs.toFixed(0)} ms late`],
  ];
  if (store.refusing !== undefined) rows.push(['takes no writes', store.refusing]);
  return `${rows.map(([name, value]) => `${name.padEnd(16)}${value}`).join('\n')}\n`;
}

const count = (value: number): string => Math.round(value).toLocaleString('en');
const megabytes = (bytes: number): string => `${count(bytes / 2 ** 20)} MiB`;
const free = (bytes: number | undefined): string => (bytes === undefined ? '' : `, ${(bytes / 2 ** 30).toFixed(1)} GiB free on its disk`);

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1_000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`;
}
