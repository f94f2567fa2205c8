import { join } from 'node:path';
import type { Context } from '../scenario.ts';
import { wanted } from '../scenario.ts';
import { dataDirectory, removeDirectory } from './data-directory.ts';
import { startParley } from './parley.ts';
import { startPeer } from './peer.ts';
import type { Running } from './running.ts';

export type Name = 'parley' | 'plain' | 'relay' | 'relay-uws' | 'echo' | 'insert' | 'multi-row';

export const WHAT: Readonly<Record<Name | 'store' | 'store, as written', string>> = {
  parley: 'this server: actors, log, promise',
  plain: 'uWebSockets.js, msgpack and the same store, no actors: the least that the rows cost',
  relay: 'Socket.IO, relays from memory, stores nothing',
  'relay-uws': 'the same on uWebSockets.js in place of ws, which few run',
  echo: 'a bare uWebSockets.js that sends back what it gets',
  insert: 'Socket.IO, one INSERT a message into PostgreSQL',
  'multi-row': 'Socket.IO, one INSERT for what came together',
  store: 'the store alone, one conversation row and two inbox rows a message',
  'store, as written': 'the store alone, rows of ten messages, as the server writes them under this load',
};

/** Parley on a new data directory that goes when it ends. */
export async function freshParley(context: Context): Promise<Running> {
  const data = await dataDirectory(context.options.directory);
  const running = await parleyOn(context, data);
  return {
    ...running,
    async stop() {
      await running.stop();
      await removeDirectory(data);
    },
  };
}

export const parleyOn = (context: Context, data: string): ReturnType<typeof startParley> =>
  startParley({ data: join(data, 'data'), profile: context.options.profile, log: context.options.log });

async function start(context: Context, name: Name): Promise<Running | undefined> {
  switch (name) {
    case 'parley':
      return freshParley(context);
    case 'plain':
      return startPeer('plain', 'parley', [await dataDirectory(context.options.directory)]);
    case 'relay':
    case 'relay-uws':
      return startPeer('socket-io', 'socket.io', [name]);
    case 'echo':
      return startPeer('echo', 'echo');
    case 'insert':
    case 'multi-row': {
      const connection = await context.postgres();
      return connection === undefined ? undefined : startPeer('socket-io', 'socket.io', [name, JSON.stringify(connection)]);
    }
  }
}

/** Starts those that are wanted and can run here, gives them to `use`, and ends them whatever happens. */
export async function withContenders<Result>(
  context: Context,
  names: readonly Name[],
  use: (running: ReadonlyMap<Name, Running>, skipped: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const running = new Map<Name, Running>();
  const skipped: string[] = [];
  try {
    for (const name of names) {
      if (!wanted(context.options, name)) continue;
      const started = await start(context, name);
      if (started === undefined) skipped.push(`${name}: skipped, PostgreSQL isn't installed here`);
      else running.set(name, started);
    }
    return await use(running, skipped);
  } finally {
    for (const one of running.values()) await one.stop();
  }
}
