import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Figures } from '../figures.ts';
import type { Context } from '../scenario.ts';
import { dataDirectory, removeDirectory } from './data-directory.ts';
import { attend, endOf, NODE_FLAGS } from './running.ts';

/** What the store is asked to write: as many conversations, and messages under way in each, as the load has. */
export interface StoreLoad {
  readonly pairs: number;
  readonly inFlight: number;
  /** Messages of one conversation that share their rows. */
  readonly messagesPerRow: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

/** One round of the bare store, in a process of its own on a new directory. */
export async function measureStore(context: Context, load: StoreLoad): Promise<Figures> {
  const directory = await dataDirectory(context.options.directory);
  const child = fork(join(import.meta.dirname, '..', 'peers', 'store.js'), [join(directory, 'data'), JSON.stringify(load)], {
    execArgv: [...NODE_FLAGS],
  });
  attend(child);
  try {
    return await new Promise<Figures>((resolve, reject) => {
      child.once('message', resolve as (figures: unknown) => void);
      child.once('exit', (code, signal) => reject(new Error(`the bare store ended: ${signal ?? code}`)));
    });
  } finally {
    await endOf(child);
    await removeDirectory(directory);
  }
}
