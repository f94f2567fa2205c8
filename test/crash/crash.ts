import { parseArgs } from 'node:util';
import { describe } from './check.ts';
import { runRound } from './round.ts';

/**
 * Rounds by hand: `npm run crash -- --rounds 100 --seed 7`. Round n of seed s is seed s + n - 1, so one
 * that failed is run again by its own seed.
 */
const USAGE = `npm run crash -- [options]

  --rounds N     rounds; 3 unless said
  --seed S       of the first round; by the clock unless said
  --pairs N      pairs of users who write to one another; 30
  --groups N     groups; 5
  --seconds N    load in a round; 8
  --kills N      kill -9 and restarts in a round; 4
  --keep         keeps records and data of rounds that hold, too
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    pairs: { type: 'string', default: '30' },
    groups: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
    kills: { type: 'string', default: '4' },
    keep: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
let failed = 0;
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = Number(values.seed) + round;
  console.log(`round ${round + 1} of ${values.rounds}, seed ${seed}`);
  try {
    const { violations, counts, directory } = await runRound({
      seed,
      pairs: Number(values.pairs),
      groups: Number(values.groups),
      loadMs: Number(values.seconds) * 1_000,
      kills: Number(values.kills),
      keep: values.keep ? 'always' : 'violated',
      say: (what) => console.log(`  ${what}`),
    });
    console.log(`  ${JSON.stringify(counts)}`);
    console.log(describe(violations).replace(/^/gm, '  '));
    if (violations.length > 0 || values.keep) console.log(`  records and data: ${directory}`);
    if (violations.length === 0) continue;
  } catch (thrown) {
    console.log(`  the round could not be finished: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  failed += 1;
  console.log(`  again: npm run crash -- --rounds 1 --seed ${seed}`);
}
console.log(failed === 0 ? 'every round holds' : `${failed} of ${values.rounds} rounds broke a promise`);
process.exitCode = failed === 0 ? 0 : 1;
