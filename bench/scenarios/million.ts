import { join } from 'node:path';
import { type Figures, figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job, Route, Subject } from '../load/job.ts';
import { type Context, figure, interleave, type Measured, type Scenario, type Verdict } from '../scenario.ts';
import { parleyOn } from '../subjects/contenders.ts';
import { dataDirectory, removeDirectory } from '../subjects/data-directory.ts';
import { makeRing, RING_CONVERSATIONS } from './ring.ts';
import { pairs, userName, usersNamed } from './users.ts';

interface Town {
  readonly name: string;
  readonly users: number;
  /** The first of them; they have 20 conversations each and are connected under load. */
  readonly active: number;
  readonly directory: string;
}

const HISTORY_PAIRS = 100;
const HISTORY_MESSAGES = 500;
const PAGE = 50;
/** Of those who aren't active, one in a hundred has written to the other 99. */
const NEIGHBOURS = 100;
const AT_ONCE = 1_000;
const LOGINS = 800;

/** Everything in the store got there as messages do: over a socket. */
async function populate(context: Context, town: Town): Promise<void> {
  const server = await parleyOn(context, town.directory);
  await makeRing(server.subject, usersNamed(town.active));
  const talk = { ...pairs(HISTORY_PAIRS), receivers: 1, group: undefined };
  await generate(server.subject, { kind: 'fill', ...talk, perRoute: HISTORY_MESSAGES, atOnce: AT_ONCE });
  const routes: Route[] = [];
  for (let index = town.active; index < town.users; index++) {
    const sender = index - ((index - town.active) % NEIGHBOURS);
    if (sender !== index) routes.push({ from: userName(sender), conversation: `@${userName(index)}` });
  }
  if (routes.length > 0) {
    const { perSecond } = await generate(server.subject, {
      kind: 'fill',
      routes,
      listeners: [],
      receivers: 0,
      group: undefined,
      perRoute: 1,
      atOnce: AT_ONCE,
    });
    context.say(`${town.name} · each new user's first message: ${Math.round(perSecond).toLocaleString('en')}/s`);
  }
  await server.stop();
}

/** The loads of the other scenarios, passed round among all that are active. */
function loads(context: Context, town: Town): Readonly<Record<'direct-10' | 'direct-1' | 'open-1000' | 'history', Job>> {
  const { warmMs, measureMs } = context.options;
  const talk = { ...pairs(town.active / 2), receivers: 1, group: undefined, warmMs, measureMs };
  const closed = { ...talk, kind: 'closed-loop', next: 'after sent', messagesMax: Number.MAX_SAFE_INTEGER } as const;
  return {
    'direct-10': { ...closed, inFlight: 10, routesAtOnce: 100 },
    'direct-1': { ...closed, inFlight: 1, routesAtOnce: 50 },
    'open-1000': { ...talk, kind: 'open-loop', perSecond: 1_000 },
    history: {
      kind: 'history',
      routes: pairs(HISTORY_PAIRS).routes,
      before: HISTORY_MESSAGES,
      limit: PAGE,
      inFlight: 2,
      warmMs,
      measureMs,
    },
  };
}

async function loginsCold(context: Context, town: Town): Promise<Figures> {
  const server = await parleyOn(context, town.directory);
  const users = usersNamed(LOGINS, HISTORY_PAIRS * 2).slice(0, town.active - HISTORY_PAIRS * 2);
  try {
    const job: Job = { kind: 'logins', users, cursor: RING_CONVERSATIONS, atOnce: 64, timed: 'hello', list: RING_CONVERSATIONS };
    return { ...figuresOf(await generate(server.subject, job)), readyMs: server.readyMs };
  } finally {
    await server.stop();
  }
}

/** Cold logins stop the server, so they come first; then the same server takes the other loads. */
async function measureTowns(context: Context, title: string, towns: readonly Town[]) {
  const cold = await interleave(
    context,
    title,
    towns.map((town): Measured => ({ contender: `logins, ${town.name}`, measure: () => loginsCold(context, town) })),
  );
  const running = await Promise.all(towns.map(async (town) => ({ town, server: await parleyOn(context, town.directory) })));
  try {
    const measured: Measured[] = [];
    for (const load of ['direct-10', 'direct-1', 'open-1000', 'history'] as const) {
      for (const { town, server } of running) {
        measured.push({ contender: `${load}, ${town.name}`, measure: () => measureLoad(server.subject, loads(context, town)[load]) });
      }
    }
    return [...cold, ...(await interleave(context, title, measured))];
  } finally {
    for (const { server } of running) await server.stop();
  }
}

const measureLoad = async (subject: Subject, job: Job): Promise<Figures> => figuresOf(await generate(subject, job));

export const million: Scenario = {
  name: 'million',
  title: '1,000,000 users in the store, 10,000 of them active',
  async run(context) {
    const directory = await dataDirectory(context.options.directory);
    const { scale } = context.options;
    const few: Town = { name: '1,000 users', users: 1_000, active: 1_000, directory: join(directory, 'few') };
    const many: Town = { name: 'a million', users: 1_000_000 * scale, active: 10_000 * scale, directory: join(directory, 'many') };
    try {
      for (const town of [few, many]) {
        context.say(`${this.title} · filling the store of ${town.name}`);
        await populate(context, town);
      }
      const rows = await measureTowns(context, this.title, [few, many]);
      const compare = (load: string, name: string): number =>
        figure(rows, `${load}, ${many.name}`, name) / figure(rows, `${load}, ${few.name}`, name);
      const verdicts: Verdict[] = [
        ...['direct-10', 'direct-1', 'logins', 'history'].map((load) => ({
          claim: `${load}, of what it is with 1,000 users`,
          measured: compare(load, 'perSecond'),
          atLeast: 0.8,
          unit: '×',
        })),
        {
          claim: 'open-1000, send → event p50, of what it is with 1,000 users',
          measured: compare('open-1000', 'eventP50Ms'),
          atMost: 1.2,
          unit: '×',
        },
        { claim: 'start to ready', measured: figure(rows, `logins, ${many.name}`, 'readyMs') / 1000, atMost: 2, unit: ' s' },
      ];
      return { name: this.name, title: this.title, rows, verdicts, notes: [] };
    } finally {
      await removeDirectory(directory);
    }
  },
};
