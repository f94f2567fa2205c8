import { deepEqual, rejects } from 'node:assert/strict';
import type { Test } from 'tap';
import { systemClock } from '../../src/clock.ts';
import { type Config, type ConfigFile, defaults } from '../../src/config.ts';
import { storeDirectory } from '../../src/data-directory.ts';
import type { Log } from '../../src/log.ts';
import { type NodeParts, startNode as start } from '../../src/main.ts';
import { openLevelStore } from '../../src/storage/leveldb.ts';
import { temporaryDirectory } from './data.ts';
import { testSecret, testToken } from './token.ts';
import { waitUntil } from './wait-until.ts';

export interface TestNode {
  readonly url: string;
  readonly wsUrl: string;
  readonly data: string;
  readonly config: Config;
  /** Errors that the node logged. The test fails if any are left when it ends. */
  readonly errors: string[];
  token(user: string, ttlSeconds?: number): string;
  /** What a teardown does by itself, for tests that look at the end. */
  stop(): Promise<void>;
}

const merge = <Value>(usual: Value, over: object): Value => {
  const merged = { ...usual } as Record<string, unknown>;
  for (const [key, value] of Object.entries(over)) {
    merged[key] = typeof value === 'object' ? merge(merged[key], value as object) : value;
  }
  return merged as Value;
};

/** The defaults without rates, on a free port of this machine alone, and quick to say goodbye. */
export const testConfig = (data: string, overrides: ConfigFile = {}): Config =>
  merge(merge(defaults, { data, listen: { host: '127.0.0.1', port: 0 }, rates: { on: false }, limits: { drainNoticeMs: 20 } }), overrides);

function recordingLog(errors: string[]): Log {
  const nothing = (): void => {};
  const error: Log['error'] = (event, fields) => {
    const thrown = fields?.['error'];
    errors.push(`${event} ${JSON.stringify(fields)} ${thrown instanceof Error ? thrown.stack : ''}`);
  };
  return { debug: nothing, info: nothing, warn: nothing, error };
}

/** What keeps this process alive, by kind. */
const heldOpen = (): readonly string[] => process.getActiveResourcesInfo().sort();

/** A node in this process, on LevelDB in a directory of its own. When the test ends it stops, and leaves nothing behind. */
export async function startNode(
  t: Test,
  overrides: ConfigFile = {},
  parts: Pick<NodeParts, 'openStore' | 'secret'> = {},
): Promise<TestNode> {
  const data = overrides.data ?? (await temporaryDirectory(t));
  const config = testConfig(data, overrides);
  const errors: string[] = [];
  const before = heldOpen();
  const node = await start({ config, log: recordingLog(errors), secret: testSecret, ...parts });
  let stopped: Promise<void> | undefined;
  // A test that has ended can't assert any more, but what its teardown throws makes it fail.
  const stop = async (): Promise<void> => {
    await node.stop('the test ends');
    await rejects(fetch(`${node.url}/healthz`), 'nobody listens any more');
    if (config.store === 'leveldb') {
      const again = await openLevelStore({ directory: storeDirectory(data), clock: systemClock });
      await again.close();
    }
    await waitUntil(`the process holds open no more than before: ${before.join(' ')}`, () => heldOpen().length <= before.length);
    deepEqual(errors, [], 'the node logged no error');
  };
  const stopOnce = (): Promise<void> => (stopped ??= stop());
  t.teardown(stopOnce);
  return { url: node.url, wsUrl: node.wsUrl, data, config, errors, token: testToken, stop: stopOnce };
}
