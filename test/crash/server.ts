import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The built server in a process of its own, on a port and a data directory that outlive it. */
export interface ServerProcess {
  readonly url: string;
  readonly socketUrl: string;
  /** Starts the process, without waiting for anything. */
  launch(): void;
  /** Waits until it serves; rejects with its output where it ended instead. */
  ready(): Promise<void>;
  /** Stops it in its tracks for a while. */
  freeze(forMs: number): Promise<void>;
  /** Ends it at once, as the power cord would. */
  kill(): Promise<void>;
  /** Asks it to stop, and gives its exit code, or the signal that it took. */
  stop(): Promise<number | string>;
  /** The last of what it wrote. */
  output(): string;
}

/** Every other life unloads what isn't needed for a moment, so that much is closed, unloaded and read again. */
const HASTY = {
  messenger: { hostedUnusedMax: 1, offlineGraceMs: 200 },
  runtime: { passivateAfterMs: 200, tidyEveryMs: 100, deriveEveryMs: 200 },
};

const READY_WITHIN_MS = 15_000;
const OUTPUT_CHARS = 20_000;

export async function serverProcess(options: {
  readonly dataDirectory: string;
  readonly secret: string;
  /** Where all it writes is kept. */
  readonly logPath: string;
}): Promise<ServerProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const hasty = `${options.dataDirectory}-hasty.json`;
  await writeFile(hasty, JSON.stringify(HASTY));
  let lives = 0;
  let child: ChildProcess | undefined;
  let output = '';

  async function ready(): Promise<void> {
    const started = child;
    if (started === undefined) throw new Error('the server is not running');
    const deadline = Date.now() + READY_WITHIN_MS;
    while (Date.now() < deadline) {
      if (started.exitCode !== null || started.signalCode !== null) throw new Error(`the server ended while it started:\n${output}`);
      const answer = await fetch(`${url}/readyz`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.status === 200) return;
      await delay(10);
    }
    throw new Error(`the server isn't ready after ${READY_WITHIN_MS} ms:\n${output}`);
  }

  async function end(signal: NodeJS.Signals): Promise<number | string> {
    const ending = child;
    child = undefined;
    if (ending === undefined) return 'not running';
    if (ending.exitCode === null && ending.signalCode === null) {
      ending.kill(signal);
      await once(ending, 'exit');
    }
    return ending.exitCode ?? ending.signalCode ?? 'unknown';
  }

  return {
    url,
    socketUrl: `ws://127.0.0.1:${port}/v1/ws`,
    launch() {
      const args = [cliPath(), 'start', '--port', String(port), '--data', options.dataDirectory, '--limits', 'off'];
      lives += 1;
      if (lives % 2 === 0) args.push('--config', hasty);
      const started = spawn(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '', PARLEY_SECRET: options.secret } });
      child = started;
      const keep = (chunk: Buffer): void => {
        appendFileSync(options.logPath, chunk);
        output = (output + chunk.toString()).slice(-OUTPUT_CHARS);
      };
      started.stdout.on('data', keep);
      started.stderr.on('data', keep);
    },
    ready,
    async freeze(forMs) {
      const frozen = child;
      frozen?.kill('SIGSTOP');
      await delay(forMs);
      frozen?.kill('SIGCONT');
    },
    async kill() {
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    output: () => output,
  };
}

/** The built command, whether this file runs built or from source. */
function cliPath(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return join(directory, 'dist/src/cli/parley.js');
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
