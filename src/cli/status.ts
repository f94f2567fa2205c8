import { type Flags, loadConfig } from '../config-load.ts';
import { readNote } from '../data-directory.ts';
import { Failure } from '../failure.ts';
import { askNode, isAlive, type NodeStatus } from '../running-node.ts';
import { secretOf } from './token.ts';

export async function status(flags: Flags & { readonly json?: true }): Promise<void> {
  const { config } = await loadConfig(flags, process.env);
  const note = await readNote(config.data);
  if (note === undefined)
    throw new Failure(
      'not-found',
      `no node runs on ${config.data}; start one with \`npx parley start\`, or name the data of another with --data`,
    );
  if (!isAlive(note.pid))
    throw new Failure('not-found', `the node that ran on ${config.data} (process ${note.pid}) was killed; start it again`);
  const found = await askNode(note, await secretOf(config.data), Date.now());
  process.stdout.write(flags.json ? `${JSON.stringify(found, null, 2)}\n` : asTable(found, note.url));
}

function asTable(found: NodeStatus, url: string): string {
  const { actors, gateway, store, memory } = found;
  const failed = Object.entries(gateway.errors).filter(([, count]) => count > 0);
  const rows: [string, string][] = [
    ['node', `${found.node} at ${url}, process ${found.pid}, up ${duration(found.upMs)}`],
    [
      'loaded',
      `${counted(actors.loaded['user'] ?? 0, 'user')}, ${counted(actors.loaded['group'] ?? 0, 'group')}; ${counted(actors.waiting, 'command')} waiting`,
    ],
    ['connections', `${counted(gateway.connections, 'WebSocket')}, ${counted(gateway.polls, 'poll')}`],
    ['messages', `${count(gateway.sentPerSecond)}/s`],
    [
      'send → sent',
      gateway.sentPerSecond === 0
        ? 'nothing was sent just now'
        : `p50 ${gateway.sentP50Ms.toFixed(2)} ms, p99 ${gateway.sentP99Ms.toFixed(2)} ms`,
    ],
    ['errors', failed.length === 0 ? 'none' : failed.map(([code, times]) => `${code} ${count(times)}`).join(', ')],
    ['store', `${store.engine}, ${counted(store.writesPending, 'write')} waiting${free(store.diskFreeBytes)}`],
    ['memory', `${megabytes(memory.rss)}, ${megabytes(memory.heapUsed)} of it JavaScript's`],
  ];
  if (found.lagMs >= BUSY_MS) rows.push(['busy', `it comes ${found.lagMs.toFixed(0)} ms late to what it has to do`]);
  if (store.refusing !== undefined) rows.push(['takes no writes', store.refusing]);
  return `${rows.map(([name, value]) => `${name.padEnd(16)}${value}`).join('\n')}\n`;
}

/** Coming later than this to what it has to do, a node has too much of it. */
const BUSY_MS = 50;

const count = (value: number): string => Math.round(value).toLocaleString('en');
const counted = (value: number, noun: string): string => `${count(value)} ${noun}${Math.round(value) === 1 ? '' : 's'}`;
const megabytes = (bytes: number): string => `${count(bytes / 2 ** 20)} MiB`;
const free = (bytes: number | undefined): string => (bytes === undefined ? '' : `, ${(bytes / 2 ** 30).toFixed(1)} GiB free on its disk`);

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1_000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`;
}
