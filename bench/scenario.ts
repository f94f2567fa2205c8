import { type Figures, mediansOf } from './figures.ts';
import type { Options } from './options.ts';
import { busyPercent } from './process-usage.ts';

export interface Row {
  readonly contender: string;
  readonly medians: Figures;
  readonly rounds: readonly Figures[];
  /** Why a round has no figures. */
  readonly failures: readonly string[];
}

/** One line of what must hold. `measured` is NaN where one of its sides is missing. */
export interface Verdict {
  readonly claim: string;
  readonly measured: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
}

export interface ScenarioReport {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

export interface Context {
  readonly options: Options;
  /** Says on stderr what goes on. */
  say(line: string): void;
  /** PostgreSQL, started on first use; undefined where it isn't installed. */
  postgres(): Promise<object | undefined>;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  run(context: Context): Promise<ScenarioReport>;
}

/** Something measured once a round. */
export interface Measured {
  readonly contender: string;
  measure(round: number): Promise<Figures>;
}

export const wanted = (options: Options, contender: string): boolean =>
  contender === 'parley' || options.beside === undefined || options.beside.includes(contender);

const TRIES_MAX = 5;
const QUIET_FOR_MS = 1_500;
const QUIET_LOOKS_MAX = 100;
/** What the contender before has left to do (rows written behind, compaction) is its own, and no concern of the next. */
const SETTLED_PERCENT = 10;
const SETTLED_FOR_MS = 500;
const SETTLED_LOOKS_MAX = 30;
/** PostgreSQL's processes are others to the one that is measured. */
const WITH_OTHERS: readonly string[] = ['insert', 'multi-row'];

/** Waits for the others to be quiet, and measures again where they weren't for long enough. */
async function inQuiet(context: Context, contender: string, measure: () => Promise<Figures>): Promise<Figures> {
  const { quietPercent } = context.options;
  if (!(quietPercent < 100)) {
    for (let look = 0; look < SETTLED_LOOKS_MAX && (await busyPercent(SETTLED_FOR_MS)) > SETTLED_PERCENT; look++);
    return measure();
  }
  for (let tries = 1; ; tries++) {
    for (let look = 0; look < QUIET_LOOKS_MAX && (await busyPercent(QUIET_FOR_MS)) > quietPercent; look++);
    const figures = await measure();
    const others = figures['othersPercent'] ?? 0;
    if (others <= quietPercent || tries === TRIES_MAX || WITH_OTHERS.includes(contender)) return figures;
    context.say(`  ${contender}: others took ${Math.round(others)} % of the machine; again`);
  }
}

/** All contenders in turn, round by round, so that whatever else the machine does hits all alike. */
export async function interleave(context: Context, title: string, all: readonly Measured[]): Promise<readonly Row[]> {
  const { rounds } = context.options;
  const rows = all.map(({ contender }) => ({ contender, rounds: [] as Figures[], failures: [] as string[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, { contender, measure }] of all.entries()) {
      const row = rows[index] as (typeof rows)[number];
      try {
        const figures = await inQuiet(context, contender, () => measure(round));
        row.rounds.push(figures);
        context.say(`${title} · round ${round + 1}/${rounds} · ${contender} ${briefly(figures)}`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        row.failures.push(reason);
        context.say(`${title} · round ${round + 1}/${rounds} · ${contender} failed: ${reason}`);
      }
    }
  }
  return rows.map((row) => ({ ...row, medians: mediansOf(row.rounds) }));
}

export const figure = (rows: readonly Row[], contender: string, name: string): number =>
  rows.find((row) => row.contender === contender)?.medians[name] ?? Number.NaN;

/** Parley's figure as a multiple of another contender's. */
export const ratio = (rows: readonly Row[], contender: string, name = 'perSecond'): number =>
  figure(rows, 'parley', name) / figure(rows, contender, name);

export const holds = ({ measured, atLeast, atMost }: Verdict): boolean | undefined =>
  Number.isNaN(measured)
    ? undefined
    : measured >= (atLeast ?? Number.NEGATIVE_INFINITY) && measured <= (atMost ?? Number.POSITIVE_INFINITY);

export const briefly = (figures: Figures): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)}`)
    .join(' · ');
