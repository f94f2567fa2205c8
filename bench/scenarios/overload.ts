import { figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job } from '../load/job.ts';
import { ownBytes } from '../process-usage.ts';
import { figure, interleave, type Scenario } from '../scenario.ts';
import { withContenders } from '../subjects/contenders.ts';
import type { Running } from '../subjects/running.ts';
import { pairs } from './users.ts';

const PAIRS = 100;
/** Unanswered sends of each sender: with the rest of its requests, the most that a connection may have. */
const IN_FLIGHT = 1_000;
const LOOK_EVERY_MS = 100;

/** A thousand times as many sends at once as the calm load has. Each that is answered makes room for another; each that is refused comes again after its time. */
export const overload: Scenario = {
  name: 'overload',
  title: `${(PAIRS * IN_FLIGHT).toLocaleString('en')} sends at once, and who is refused comes again`,
  run(context) {
    return withContenders(context, ['parley'], async (running, notes) => {
      const { subject } = running.get('parley') as Running;
      const job: Job = {
        kind: 'overload',
        ...pairs(PAIRS),
        receivers: 1,
        group: undefined,
        inFlight: IN_FLIGHT,
        calmMs: context.options.measureMs,
        floodMs: 2 * context.options.measureMs,
      };
      const measure = async () => {
        const before = ownBytes(subject.pid);
        let most = before;
        const looking = setInterval(() => {
          most = Math.max(most, ownBytes(subject.pid));
        }, LOOK_EVERY_MS);
        try {
          return { ...figuresOf(await generate(subject, job)), grownMegabytes: (most - before) / 2 ** 20 };
        } finally {
          clearInterval(looking);
        }
      };
      const rows = await interleave(context, this.title, [{ contender: 'parley', measure }]);
      return {
        name: this.name,
        title: this.title,
        rows,
        verdicts: [
          { claim: 'what is taken keeps its time: p99', measured: figure(rows, 'parley', 'floodP99Ms'), atMost: 250, unit: ' ms' },
          {
            claim: 'a second later, p99 over what it was',
            measured: figure(rows, 'parley', 'afterP99Ms') / figure(rows, 'parley', 'calmP99Ms'),
            atMost: 2,
            unit: '×',
          },
          { claim: 'memory', measured: figure(rows, 'parley', 'grownMegabytes'), atMost: 500, unit: ' MB' },
        ],
        notes,
      };
    });
  },
};
