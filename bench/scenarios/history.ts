import { figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job } from '../load/job.ts';
import { figure, interleave, type Measured, type Scenario, wanted } from '../scenario.ts';
import { parleyOn, withContenders } from '../subjects/contenders.ts';
import { dataDirectory, removeDirectory } from '../subjects/data-directory.ts';
import type { Running } from '../subjects/running.ts';
import { pairs } from './users.ts';

const PAIRS = 100;
const MESSAGES = 2_000;
const PAGE = 50;
/** What an actor keeps of each conversation. */
const REMEMBERED = 15;
const IN_FLIGHT = 2;

export const history: Scenario = {
  name: 'history',
  title: 'history pages',
  async run(context) {
    const { warmMs, measureMs, scale } = context.options;
    const data = await dataDirectory(context.options.directory);
    const talk = pairs(PAIRS);
    const messages = Math.round(MESSAGES * scale);
    const filling: Job = { kind: 'fill', ...talk, receivers: 1, group: undefined, perRoute: messages, atOnce: PAIRS * 10 };
    const pages: Job = { kind: 'history', routes: talk.routes, before: messages, limit: PAGE, inFlight: IN_FLIGHT, warmMs, measureMs };
    try {
      const first = await parleyOn(context, data);
      context.say(`${this.title} · storing ${PAIRS} conversations of ${messages} messages`);
      await generate(first.subject, filling);
      await first.stop();
      const parley = await parleyOn(context, data);
      try {
        return await withContenders(context, wanted(context.options, 'plain') ? ['plain'] : [], async (running, notes) => {
          const plain: Running | undefined = running.get('plain');
          if (plain !== undefined) await generate(plain.subject, filling);
          const measured: Measured[] = [
            { contender: 'parley', measure: async () => figuresOf(await generate(parley.subject, pages)) },
            {
              contender: 'parley, from memory',
              measure: async () => figuresOf(await generate(parley.subject, { ...pages, before: 0, limit: REMEMBERED })),
            },
          ];
          if (plain !== undefined)
            measured.push({ contender: 'plain', measure: async () => figuresOf(await generate(plain.subject, pages)) });
          const rows = await interleave(context, this.title, measured);
          return {
            name: this.name,
            title: this.title,
            rows,
            verdicts: [
              { claim: 'pages of 50 from disk', measured: figure(rows, 'parley', 'perSecond'), atLeast: 6_000, unit: '/s' },
              {
                claim: "pages of the newest 15 from the actor's memory",
                measured: figure(rows, 'parley, from memory', 'perSecond'),
                atLeast: 20_000,
                unit: '/s',
              },
            ],
            notes,
          };
        });
      } finally {
        await parley.stop();
      }
    } finally {
      await removeDirectory(data);
    }
  },
};
