import { parseArgs } from 'node:util';

export interface Options {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly warmMs: number;
  readonly measureMs: number;
  /** Scales the loads that are counted in users; 1 is what the table means. */
  readonly scale: number;
  /** Measures while other processes take no more than this of the machine; 100: whatever they take. */
  readonly quietPercent: number;
  readonly json: boolean;
  readonly check: boolean;
  /** Contenders beside Parley; undefined: all that can run here. */
  readonly beside: readonly string[] | undefined;
  readonly profile: string | undefined;
  readonly log: string | undefined;
  readonly directory: string | undefined;
}

export const USAGE = `npm run bench -- [options]

  --only NAME,…     only these scenarios (see --list)
  --list            the scenarios, and what each measures
  --beside NAME,…   only these contenders beside parley: plain, relay, relay-uws, echo, store, insert, multi-row; none: no other
  --rounds N        rounds whose median counts; 3 unless said
  --quick           one short round with fewer users: does everything work? Its figures mean little
  --quiet PERCENT   waits until others take no more of the machine than that, and repeats what they disturbed
  --json            the report as JSON on stdout; progress stays on stderr
  --check           exit code 1 where something that must hold doesn't
  --profile DIR     writes a CPU profile of every server run there and prints its top functions
  --log FILE        appends what the servers say
  --directory DIR   where data goes while it runs; a temporary directory on disk unless said
`;

const names = (list: string | undefined): readonly string[] | undefined => list?.split(',').map((name) => name.trim());

export function readOptions(args: readonly string[]): (Options & { readonly list: boolean; readonly help: boolean }) | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        list: { type: 'boolean', default: false },
        beside: { type: 'string' },
        rounds: { type: 'string' },
        quiet: { type: 'string', default: '100' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        profile: { type: 'string' },
        log: { type: 'string' },
        directory: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    const rounds = values.rounds === undefined ? (values.quick ? 1 : 3) : Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) return `--rounds takes a whole number from 1, not "${values.rounds}"`;
    return {
      only: names(values.only) ?? [],
      beside: names(values.beside),
      rounds,
      warmMs: values.quick ? 500 : 2_000,
      measureMs: values.quick ? 1_000 : 4_000,
      scale: values.quick ? 0.1 : 1,
      quietPercent: Number(values.quiet),
      json: values.json,
      check: values.check,
      profile: values.profile,
      log: values.log,
      directory: values.directory,
      list: values.list,
      help: values.help,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
