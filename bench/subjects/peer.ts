import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { WireName } from '../load/job.ts';
import { attend, endOf, NODE_FLAGS, type Running } from './running.ts';

/** Starts one of the programs in `peers`, which say themselves where they listen. */
export async function startPeer(program: string, wire: WireName, args: readonly string[] = []): Promise<Running> {
  const child = fork(join(import.meta.dirname, '..', 'peers', `${program}.js`), args, { execArgv: [...NODE_FLAGS] });
  attend(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { readonly port: number }) => resolve(message.port));
    child.once('exit', (code, signal) => reject(new Error(`${program} ended: ${signal ?? code}`)));
  });
  return {
    subject: { wire, host: '127.0.0.1', port, pid: child.pid as number, secret: PEER_SECRET },
    async stop() {
      if (child.connected) child.disconnect();
      await endOf(child);
    },
    kill() {
      child.kill('SIGKILL');
      return endOf(child);
    },
  };
}

/** What the peers that check tokens are told to expect. */
export const PEER_SECRET = 'a secret that is only good for benches';
