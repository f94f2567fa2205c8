import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { temporaryDirectory } from './data.ts';
import { testSecret, testToken } from './token.ts';
import { waitUntil } from './wait-until.ts';

/** The built program; `npm test` builds it first. */
export const PROGRAM = fileURLToPath(new URL('../../dist/src/cli/parley.js', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly afterMs: number;
}

/** A node in a process of its own, for tests that kill. */
export interface ForkedNode {
  readonly url: string;
  readonly wsUrl: string;
  readonly data: string;
  readonly pid: number;
  /** The events it logged, and what it wrote to stderr. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly stderr: () => string;
  token(user: string, ttlSeconds?: number): string;
  /** As the power cord would. */
  kill(): Promise<void>;
  /** With SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
  /** Waits for it to end by itself. */
  exited(): Promise<Exit>;
  /** The same data and port, again. */
  restart(): Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Only what a person's shell would give it: nothing of the test runner's. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(NODE_|TAP|PARLEY_|npm_)/.test(name));
  return { ...Object.fromEntries(kept), ...extra };
}

/** Runs the built program to its end. */
export async function run(args: readonly string[], options: { env?: Readonly<Record<string, string>>; cwd?: string } = {}): Promise<Ended> {
  const child = fork(PROGRAM, args, {
    execArgv: [],
    silent: true,
    env: cleanEnvironment(options.env),
    ...(options.cwd && { cwd: options.cwd }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export async function forkNode(t: Test, options: { flags?: readonly string[]; data?: string; port?: number } = {}): Promise<ForkedNode> {
  const data = options.data ?? (await temporaryDirectory(t));
  const log: Record<string, unknown>[] = [];
  let port = options.port ?? 0;
  let stderr = '';
  let child: ChildProcess | undefined;
  let wsUrl = '';

  async function launch(): Promise<void> {
    const args = ['start', '--host', '127.0.0.1', '--port', String(port), '--data', data, '--limits', 'off', ...(options.flags ?? [])];
    const started = fork(PROGRAM, args, { execArgv: [], silent: true, env: cleanEnvironment({ PARLEY_SECRET: testSecret }) });
    child = started;
    const from = log.length;
    let rest = '';
    started.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) log.push(JSON.parse(line) as Record<string, unknown>);
    });
    started.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const listening = (): Record<string, unknown> | undefined => log.slice(from).find((line) => line['event'] === 'listening');
    await waitUntil('the node listens, or ends', () => listening() !== undefined || started.exitCode !== null);
    const line = listening();
    if (line === undefined) throw new Error(`the node ended with ${started.exitCode}: ${stderr}`);
    wsUrl = String(line['webSocket']);
    port = Number(new URL(wsUrl).port);
  }

  async function end(signal?: NodeJS.Signals): Promise<Exit> {
    const ending = child;
    const startedAt = performance.now();
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return { code: null, signal: null, afterMs: 0 };
    if (signal !== undefined) ending.kill(signal);
    const [code, by] = (await once(ending, 'close')) as [number | null, NodeJS.Signals | null];
    return { code, signal: by, afterMs: performance.now() - startedAt };
  }

  t.teardown(() => end('SIGKILL'));
  await launch();
  return {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    get wsUrl() {
      return wsUrl;
    },
    get pid() {
      return child?.pid ?? 0;
    },
    data,
    log,
    stderr: () => stderr,
    token: testToken,
    kill: async () => void (await end('SIGKILL')),
    stop: (signal = 'SIGTERM') => end(signal),
    exited: () => end(),
    restart: launch,
  };
}
