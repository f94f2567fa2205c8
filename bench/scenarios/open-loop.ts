import { figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job } from '../load/job.ts';
import { figure, interleave, type Scenario } from '../scenario.ts';
import { withContenders } from '../subjects/contenders.ts';
import { pairs } from './users.ts';

const PAIRS = 50;

/** So many messages a second by the clock, over 100 connections that all send in turn. */
const openLoop = (perSecond: number, p99MsMax: number): Scenario => {
  const name = `open-${perSecond}`;
  const title = `open loop, ${perSecond.toLocaleString('en')} messages/s over 100 connections`;
  return {
    name,
    title,
    run: (context) =>
      withContenders(context, ['parley', 'plain', 'relay'], async (running, notes) => {
        const { warmMs, measureMs } = context.options;
        const { routes } = pairs(PAIRS);
        const job: Job = {
          kind: 'open-loop',
          routes: [...routes, ...routes.map(({ from, conversation }) => ({ from: conversation.slice(1), conversation: `@${from}` }))],
          listeners: [],
          receivers: 1,
          group: undefined,
          perSecond,
          warmMs,
          measureMs,
        };
        const rows = await interleave(
          context,
          title,
          [...running].map(([contender, { subject }]) => ({ contender, measure: async () => figuresOf(await generate(subject, job)) })),
        );
        return {
          name,
          title,
          rows,
          verdicts: [{ claim: 'send → event, p99', measured: figure(rows, 'parley', 'eventP99Ms'), atMost: p99MsMax, unit: ' ms' }],
          notes,
        };
      }),
  };
};

export const open1000 = openLoop(1_000, 4);
export const open10000 = openLoop(10_000, 10);
