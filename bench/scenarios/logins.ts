import { type Figures, figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job } from '../load/job.ts';
import { type Context, figure, interleave, type Measured, type Scenario } from '../scenario.ts';
import { parleyOn } from '../subjects/contenders.ts';
import { dataDirectory, removeDirectory } from '../subjects/data-directory.ts';
import { makeRing, RING_CONVERSATIONS } from './ring.ts';
import { usersNamed } from './users.ts';

const USERS = 8_000;
const AT_ONCE = 64;

/** Each round starts the server anew, so that nobody's actor is in its memory. */
export function coldLogins(context: Context, data: string, users: readonly string[]): readonly Measured[] {
  const measure = async (timed: 'connect' | 'hello', list: number): Promise<Figures> => {
    const server = await parleyOn(context, data);
    try {
      const job: Job = { kind: 'logins', users, cursor: RING_CONVERSATIONS, atOnce: AT_ONCE, timed, list };
      return { ...figuresOf(await generate(server.subject, job)), readyMs: server.readyMs };
    } finally {
      await server.stop();
    }
  };
  return [
    { contender: 'parley', measure: () => measure('hello', 0) },
    { contender: 'parley, from the connection on', measure: () => measure('connect', 0) },
    { contender: 'parley, with the conversation list', measure: () => measure('hello', RING_CONVERSATIONS) },
  ];
}

export const logins: Scenario = {
  name: 'logins',
  title: 'cold logins of users with 20 conversations',
  async run(context) {
    const data = await dataDirectory(context.options.directory);
    try {
      const users = usersNamed(USERS * context.options.scale);
      const server = await parleyOn(context, data);
      context.say(`${this.title} · making ${users.length} users`);
      await makeRing(server.subject, users);
      await server.stop();
      const rows = await interleave(context, this.title, coldLogins(context, data, users));
      return {
        name: this.name,
        title: this.title,
        rows,
        verdicts: [
          { claim: 'hello → welcome', measured: figure(rows, 'parley', 'perSecond'), atLeast: 4_000, unit: '/s' },
          {
            claim: 'hello → welcome → conversations',
            measured: figure(rows, 'parley, with the conversation list', 'perSecond'),
            atLeast: 3_000,
            unit: '/s',
          },
        ],
        notes: [],
      };
    } finally {
      await removeDirectory(data);
    }
  },
};
