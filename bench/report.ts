import { cpus, totalmem } from 'node:os';
import type { Figures } from './figures.ts';
import { holds, type Row, type ScenarioReport, type Verdict } from './scenario.ts';
import { WHAT } from './subjects/contenders.ts';

/** How each figure is headed and written; those not named here are for machines. */
const COLUMNS: readonly (readonly [name: string, head: string, write: (value: number) => string])[] = [
  ['perSecond', 'per second', (value) => Math.round(value).toLocaleString('en')],
  ['serverMicros', 'server µs', (value) => value.toFixed(1)],
  ['generatorMicros', 'load µs', (value) => value.toFixed(1)],
  ['othersPercent', 'others %', (value) => value.toFixed(0)],
  ['sentP50Ms', 'sent p50', ms],
  ['sentP99Ms', 'p99 ms', ms],
  ['eventP50Ms', 'event p50', ms],
  ['eventP99Ms', 'p99 ms', ms],
  ['lastP50Ms', 'last p50', ms],
  ['lastP99Ms', 'p99 ms', ms],
  ['lateP99Ms', 'late p99', ms],
  ['refusedPerSecond', 'refused/s', (value) => Math.round(value).toLocaleString('en')],
  ['calmP50Ms', 'calm p50', ms],
  ['calmP99Ms', 'p99 ms', ms],
  ['floodP50Ms', 'flood p50', ms],
  ['floodP99Ms', 'p99 ms', ms],
  ['afterP50Ms', 'after p50', ms],
  ['afterP99Ms', 'p99 ms', ms],
  ['grownMegabytes', 'grown MB', (value) => value.toFixed(0)],
  ['bytesPerUser', 'bytes a user', (value) => Math.round(value).toLocaleString('en')],
  ['readyMs', 'ready ms', (value) => Math.round(value).toString()],
];

function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

const MARKS = { true: 'holds ', false: 'BROKEN', undefined: '—     ' } as const;

export function writeVerdict(verdict: Verdict): string {
  const { claim, measured, atLeast, atMost, unit } = verdict;
  const digits = measured < 100 ? 2 : 0;
  const value = Number.isNaN(measured) ? 'not measured' : `${Number(measured.toFixed(digits)).toLocaleString('en')}${unit}`;
  const bound = atLeast === undefined ? `≤ ${atMost?.toLocaleString('en')}` : `≥ ${atLeast.toLocaleString('en')}`;
  return `  ${MARKS[`${holds(verdict)}`]} ${value.padStart(12)}  must be ${bound}${unit}: ${claim}`;
}

/** Ratios and what must hold first, then the figures they come from. */
export function writeScenario({ name, title, rows, verdicts, notes }: ScenarioReport): string {
  const lines = [`${title}  [${name}]`, ...verdicts.map(writeVerdict), '', ...table(rows)];
  for (const { contender, failures } of rows) for (const failure of failures) lines.push(`  ${contender} failed: ${failure}`);
  for (const note of notes) lines.push(`  ${note}`);
  return `${lines.join('\n')}\n`;
}

function table(rows: readonly Row[]): string[] {
  const columns = COLUMNS.filter(([name]) => rows.some(({ medians }) => medians[name] !== undefined));
  const parley = rows.find(({ contender }) => contender === 'parley')?.medians['perSecond'];
  const head = ['', ...(parley === undefined ? [] : ['parley is']), ...columns.map(([, title]) => title)];
  const cells = rows.map(({ contender, medians }) => [
    contender,
    ...(parley === undefined ? [] : [medians['perSecond'] === undefined ? '' : `${(parley / medians['perSecond']).toFixed(2)}×`]),
    ...columns.map(([name, , write]) => writeFigure(medians, name, write)),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => (row[column] as string).length)));
  return [head, ...cells].map(
    (row) =>
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join('  ')}`,
  );
}

function writeFigure(medians: Figures, name: string, write: (value: number) => string): string {
  const value = medians[name];
  return value === undefined || Number.isNaN(value) ? '' : write(value);
}

export const machine = () => ({
  at: new Date().toISOString(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  processor: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
});

export const contendersIn = (reports: readonly ScenarioReport[]): string => {
  const seen = new Set(reports.flatMap(({ rows }) => rows.map(({ contender }) => contender)));
  return Object.entries(WHAT)
    .filter(([name]) => seen.has(name))
    .map(([name, is]) => `  ${name.padEnd(18)} ${is}`)
    .join('\n');
};
