import t from 'tap';
import { describe } from './crash/check.ts';
import { runRound } from './crash/round.ts';

t.setTimeout(240_000);

const firstSeed = 1;

for (let round = 0; round < 3; round++) {
  const seed = firstSeed + round;
  t.test(`30 pairs and 5 groups keep what was acknowledged through kill -9, seed ${seed}`, async (t) => {
    const { violations, counts } = await runRound({
      seed,
      pairs: 30,
      groups: 5,
      loadMs: 6_000,
      kills: 3,
      keep: 'violated',
      say: (what) => t.comment(what),
    });
    t.comment(JSON.stringify(counts));
    t.same(violations, [], describe(violations));
    t.ok(counts.sent > 500, 'something was sent');
    t.ok(counts.reconnects > 60, 'connections broke');
    t.equal(counts.errors['timeout'] ?? 0, 0, 'nobody had to give up');
  });
}
