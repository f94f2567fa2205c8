import { figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job } from '../load/job.ts';
import { figure, interleave, type Measured, ratio, type Scenario, type Verdict, wanted } from '../scenario.ts';
import { measureStore } from '../subjects/bare-store.ts';
import { type Name, withContenders } from '../subjects/contenders.ts';
import { pairs } from './users.ts';

interface Direct {
  readonly name: string;
  readonly title: string;
  readonly pairs: number;
  readonly inFlight: number;
  readonly beside: readonly Name[];
  readonly withStore: boolean;
  readonly must: (rows: Parameters<typeof ratio>[0]) => readonly Verdict[];
}

/** Pairs with so many messages under way each: how many a second go through, until the sender reads `sent`. */
const direct = (of: Direct): Scenario => ({
  name: of.name,
  title: of.title,
  run: (context) =>
    withContenders(context, ['parley', ...of.beside], async (running, notes) => {
      const { warmMs, measureMs } = context.options;
      const job: Job = {
        kind: 'closed-loop',
        ...pairs(of.pairs),
        receivers: 1,
        group: undefined,
        inFlight: of.inFlight,
        next: 'after sent',
        warmMs,
        measureMs,
        messagesMax: Number.MAX_SAFE_INTEGER,
      };
      const measured: Measured[] = [...running].map(([contender, { subject }]) => ({
        contender,
        measure: async () => figuresOf(await generate(subject, subject.wire === 'echo' ? { ...job, listeners: [] } : job)),
      }));
      if (of.withStore && wanted(context.options, 'store')) {
        const shape = { pairs: of.pairs, inFlight: of.inFlight, warmMs, measureMs };
        measured.push(
          { contender: 'store', measure: () => measureStore(context, { ...shape, messagesPerRow: 1 }) },
          { contender: 'store, as written', measure: () => measureStore(context, { ...shape, messagesPerRow: of.inFlight }) },
        );
      }
      const rows = await interleave(context, of.title, measured);
      return { name: of.name, title: of.title, rows, verdicts: of.must(rows), notes };
    }),
});

export const direct10 = direct({
  name: 'direct-10',
  title: 'direct, 100 pairs × 10 in flight',
  pairs: 100,
  inFlight: 10,
  beside: ['plain', 'relay', 'relay-uws', 'echo', 'insert', 'multi-row'],
  withStore: true,
  must: (rows) => [
    { claim: "Socket.IO's relay from memory", measured: ratio(rows, 'relay'), atLeast: 0.9, unit: '×' },
    { claim: 'the bare store', measured: ratio(rows, 'store'), atLeast: 0.5, unit: '×' },
    { claim: 'Socket.IO with one INSERT a message', measured: ratio(rows, 'insert'), atLeast: 6, unit: '×' },
    { claim: 'server CPU a message', measured: figure(rows, 'parley', 'serverMicros'), atMost: 23, unit: ' µs' },
  ],
});

export const direct1 = direct({
  name: 'direct-1',
  title: 'direct, 50 pairs × 1 in flight',
  pairs: 50,
  inFlight: 1,
  beside: ['plain', 'relay', 'echo', 'insert'],
  withStore: false,
  must: (rows) => [{ claim: "Socket.IO's relay from memory", measured: ratio(rows, 'relay'), atLeast: 0.55, unit: '×' }],
});
