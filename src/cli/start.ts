import type { Config } from '../config.ts';
import { type Flags, loadConfig } from '../config-load.ts';
import type { Log } from '../log.ts';
import { openLog } from '../log-output.ts';
import { type Node, startNode } from '../main.ts';
import { farewell, greeting, tokenCommand } from './greeting.ts';

/** Ctrl-C reaches a node under `npm start` twice, from the terminal and from npm: that is one wish. */
const SAME_WISH_MS = 500;
/** Beyond `stopWithinMs`, which is for clients and the store, the process itself is given this long. */
const STUCK_AFTER_MS = 1_500;

export async function start(flags: Flags): Promise<void> {
  const { config } = await loadConfig(flags, process.env);
  const text = config.log.format === 'text' || (config.log.format === 'auto' && process.stdout.isTTY === true);
  process.stdout.on('error', () => {}); // whoever read the log has gone; the node goes on
  const log = openLog({ level: config.log.level, format: text ? 'text' : 'json', now: Date.now }, process.stdout);
  dieOnBugs(log);
  const starting = startNode({ config, log, secret: process.env['PARLEY_SECRET'] || undefined });
  // For eyes only: who reads JSON has the log.
  const say = (line: string): unknown => text && process.stdout.write(`${line}\n`);
  stopOnSignals(starting, config, log, say);
  const node = await starting;
  if (config.store === 'memory') log.warn('memory-store', { advice: 'everything is forgotten when the node stops' });
  if (!config.rates.on) log.warn('limits-off', { advice: 'nobody’s rate is limited: for benches and tests only' });
  if (text) process.stdout.write(greeting(config, node));
  else announce(node, config, log);
}

function announce(node: Node, config: Config, log: Log): void {
  const tokens = ['alice', 'bob'].map((user) => tokenCommand(user, config));
  log.info('listening', { url: node.url, webSocket: node.wsUrl, data: config.data, node: config.node, pid: process.pid, tokens });
}

/** A process in a state that nobody foresaw could break the promise; one that starts again from its data can't. */
function dieOnBugs(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error('crashed', { error });
    process.exit(1);
  });
}

function stopOnSignals(starting: Promise<Node>, config: Config, log: Log, say: (line: string) => unknown): void {
  let askedAt: number | undefined;
  const ask = (signal: string): void => {
    const now = performance.now();
    if (askedAt !== undefined) {
      if (now - askedAt < SAME_WISH_MS) return;
      log.warn('stopped-at-once', { signal });
      process.exit(1);
    }
    askedAt = now;
    say('\nStopping: what is under way is finished first. Ctrl-C once more stops at once.');
    setTimeout(() => {
      log.error('stuck', { advice: 'what was acknowledged is stored; the rest is given up' });
      process.exit(1);
    }, config.runtime.stopWithinMs + STUCK_AFTER_MS).unref();
    void stop(signal);
  };
  const stop = async (signal: string): Promise<void> => {
    const node = await starting.catch(() => undefined); // it says itself why it didn't start
    await node?.stop(signal);
    if (node !== undefined) say(`Stopped. ${farewell(config)}`);
    process.exit(node === undefined ? 1 : 0);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => ask(signal));
}
