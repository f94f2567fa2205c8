import type { Figures } from '../figures.ts';
import { generate } from '../generator.ts';
import { ownBytes } from '../process-usage.ts';
import { figure, interleave, type Scenario } from '../scenario.ts';
import { withContenders } from '../subjects/contenders.ts';
import type { Running } from '../subjects/running.ts';
import { usersNamed } from './users.ts';

const USERS = 15_000;
const WARM_USERS = 2_000;
const AT_ONCE = 100;
/** A loopback address has some 28,000 ports; several leave room, and spread what is counted per address. */
const SOURCES = process.platform === 'linux' ? ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'] : ['127.0.0.1'];
const SETTLE_LOOK_MS = 1_000;
/** The server looks every 5 s whether it is at rest, and V8 then waits 8 s or more before it gives pages back. */
const SETTLED_LOOKS = 30;
const SETTLE_LOOKS_MAX = 120;

/** A server that has nothing to do gives memory back little by little: looks until it stops shrinking. */
async function settledBytes(pid: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  let since = 0;
  for (let look = 0; look < SETTLE_LOOKS_MAX && since < SETTLED_LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_LOOK_MS));
    const bytes = ownBytes(pid);
    since = bytes < least * 0.99 ? 0 : since + 1;
    least = Math.min(least, bytes);
  }
  return least;
}

/** Users who are connected and silent: what one of them costs the server in memory. */
async function bytesPerUser({ subject }: Running, users: number): Promise<Figures> {
  await generate(subject, { kind: 'idle', users: usersNamed(WARM_USERS, users), sources: SOURCES, atOnce: AT_ONCE });
  const before = await settledBytes(subject.pid);
  let during = Number.NaN;
  const result = await generate(subject, { kind: 'idle', users: usersNamed(users), sources: SOURCES, atOnce: AT_ONCE }, async () => {
    during = await settledBytes(subject.pid);
  });
  return { bytesPerUser: (during - before) / users, connectsPerSecond: result.perSecond, serverMegabytes: during / 2 ** 20 };
}

export const idle: Scenario = {
  name: 'idle',
  title: 'idle users, 15,000 connections',
  async run(context) {
    const users = Math.round(USERS * context.options.scale);
    const names = ['parley', 'plain', 'relay'] as const;
    // A server that was full before has memory to spare: each round has servers of its own.
    const rows = await interleave(
      context,
      this.title,
      names
        .filter((name) => name === 'parley' || context.options.beside === undefined || context.options.beside.includes(name))
        .map((name) => ({
          contender: name,
          measure: () => withContenders(context, [name], async (running) => bytesPerUser(running.get(name) as Running, users)),
        })),
    );
    return {
      name: this.name,
      title: this.title,
      rows,
      verdicts: [{ claim: 'memory a user', measured: figure(rows, 'parley', 'bytesPerUser') / 1024, atMost: 5, unit: ' KiB' }],
      notes: [],
    };
  },
};
