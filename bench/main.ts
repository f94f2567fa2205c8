import { readOptions, USAGE } from './options.ts';
import { summarize } from './profile.ts';
import { contendersIn, machine, writeScenario } from './report.ts';
import { type Context, holds, type Scenario, type ScenarioReport } from './scenario.ts';
import { direct1, direct10 } from './scenarios/direct.ts';
import { group100, group1000 } from './scenarios/group.ts';
import { history } from './scenarios/history.ts';
import { idle } from './scenarios/idle.ts';
import { logins } from './scenarios/logins.ts';
import { million } from './scenarios/million.ts';
import { open1000, open10000 } from './scenarios/open-loop.ts';
import { overload } from './scenarios/overload.ts';
import { removeAll } from './subjects/data-directory.ts';
import { type Postgres, postgresInstalled, startPostgres } from './subjects/postgres.ts';

const SCENARIOS: readonly Scenario[] = [
  direct10,
  direct1,
  open1000,
  open10000,
  group1000,
  group100,
  logins,
  idle,
  history,
  overload,
  million,
];

const options = readOptions(process.argv.slice(2));
const giveUp = (line: string): never => {
  process.stderr.write(`${line}\n\n${USAGE}`);
  process.exit(1);
};
if (typeof options === 'string') giveUp(options);
else if (options.help) process.stdout.write(USAGE);
else if (options.list) for (const { name, title } of SCENARIOS) process.stdout.write(`${name.padEnd(12)} ${title}\n`);
else {
  const unknown = options.only.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) giveUp(`there is no scenario "${unknown}"; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  process.exitCode = await run(options);
}

async function run(chosen: Exclude<typeof options, string>): Promise<number> {
  let postgres: Promise<Postgres> | undefined;
  const context: Context = {
    options: chosen,
    say: (line) => process.stderr.write(`${line}\n`),
    postgres: async () => {
      if (!postgresInstalled()) return undefined;
      postgres ??= startPostgres(chosen.directory);
      return (await postgres).connection;
    },
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void removeAll().finally(() => process.exit(1)));
  const reports: ScenarioReport[] = [];
  try {
    for (const scenario of SCENARIOS) {
      if (chosen.only.length > 0 && !chosen.only.includes(scenario.name)) continue;
      const report = await scenario.run(context);
      reports.push(report);
      if (!chosen.json) process.stdout.write(`\n${writeScenario(report)}\n`);
    }
  } finally {
    await (await postgres)?.stop();
    await removeAll();
  }
  if (chosen.json) process.stdout.write(`${JSON.stringify({ machine: machine(), scenarios: reports }, undefined, 2)}\n`);
  else process.stdout.write(`${contendersIn(reports)}\n`);
  if (chosen.profile !== undefined) process.stderr.write(summarize(chosen.profile));
  const broken = reports.some(
    ({ verdicts, rows }) => verdicts.some((verdict) => holds(verdict) === false) || rows.some(({ failures }) => failures.length > 0),
  );
  return chosen.check && broken ? 1 : 0;
}
