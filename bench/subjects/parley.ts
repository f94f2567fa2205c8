import { fork } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PEER_SECRET } from './peer.ts';
import { attend, endOf, NODE_FLAGS, type Running } from './running.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'parley.js');
const READY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 5;

export interface ParleyOptions {
  readonly data: string;
  /** Where a CPU profile is written when the server ends. */
  readonly profile: string | undefined;
  /** Where the server's own log goes. */
  readonly log: string | undefined;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** The built program as it is shipped, but for its rates. `readyMs` is from the fork to the first 200. */
export async function startParley({ data, profile, log }: ParleyOptions): Promise<Running & { readonly readyMs: number }> {
  const port = await freePort();
  const began = performance.now();
  const child = fork(PROGRAM, ['start', '--limits', 'off', '--port', String(port), '--data', data], {
    execArgv: [...NODE_FLAGS, ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])],
    env: { ...process.env, PARLEY_SECRET: PEER_SECRET },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  attend(child);
  let said = '';
  const listen = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-4_000);
  };
  child.stdout?.on('data', listen);
  child.stderr?.on('data', listen);
  if (log !== undefined) {
    const file = createWriteStream(log, { flags: 'a' });
    child.stdout?.pipe(file, { end: false });
    child.stderr?.pipe(file, { end: false });
  }
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server ended: ${said}`);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) break;
    if (performance.now() - began > READY_WITHIN_MS) throw new Error(`the server isn't ready: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return {
    readyMs: performance.now() - began,
    subject: { wire: 'parley', host: '127.0.0.1', port, pid: child.pid as number, secret: PEER_SECRET },
    async stop() {
      child.kill('SIGTERM');
      await endOf(child);
      if (child.exitCode !== 0) throw new Error(`the server ended with ${child.signalCode ?? child.exitCode}: ${said}`);
    },
    kill() {
      child.kill('SIGKILL');
      return endOf(child);
    },
  };
}
