import type { JobResult } from './load/job.ts';

/** What one round of one contender measured, by name; units last. */
export type Figures = Readonly<Record<string, number>>;

/** The median of each figure over the rounds; of an even number, the mean of the middle two. */
export function mediansOf(rounds: readonly Figures[]): Figures {
  const names = new Set(rounds.flatMap((round) => Object.keys(round)));
  return Object.fromEntries(
    [...names].map((name) => [name, median(rounds.map((round) => round[name]).filter((value) => value !== undefined))]),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A message's time: to the answer, to the event, to the last member's event. */
export function figuresOf(result: JobResult): Figures {
  const figures: Record<string, number> = {
    perSecond: result.perSecond,
    serverMicros: result.serverMicros,
    generatorMicros: result.generatorMicros,
    othersPercent: result.othersPercent,
  };
  if (result.refusedPerSecond !== undefined) figures['refusedPerSecond'] = result.refusedPerSecond;
  for (const what of ['sent', 'event', 'last', 'late', 'calm', 'flood', 'after'] as const) {
    const summary = result[what];
    if (summary === undefined || summary.count === 0) continue;
    figures[`${what}P50Ms`] = summary.p50Ms;
    figures[`${what}P99Ms`] = summary.p99Ms;
  }
  return figures;
}
