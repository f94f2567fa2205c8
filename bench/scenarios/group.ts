import { figuresOf } from '../figures.ts';
import { generate } from '../generator.ts';
import type { Job } from '../load/job.ts';
import { type Context, figure, interleave, type Measured, type Row, ratio, type Scenario, type Verdict } from '../scenario.ts';
import { type Name, parleyOn, withContenders } from '../subjects/contenders.ts';
import { dataDirectory, removeDirectory } from '../subjects/data-directory.ts';
import type { Running } from '../subjects/running.ts';
import { usersNamed } from './users.ts';

const GROUP = '#crowd';

interface Crowd {
  readonly name: string;
  readonly title: string;
  readonly members: number;
  readonly senders: number;
  readonly inFlight: number;
  readonly next: 'after sent' | 'after everyone';
  readonly beside: readonly Name[];
  readonly must: (rows: readonly Row[]) => readonly Verdict[];
}

/** Everyone of a group is connected; what is sent is measured until the last of the others has it. */
const crowd = (of: Crowd): Scenario => ({
  name: of.name,
  title: of.title,
  async run(context) {
    const data = await dataDirectory(context.options.directory);
    const members = usersNamed(of.members);
    const { warmMs, measureMs } = context.options;
    const job: Job = {
      kind: 'closed-loop',
      routes: members.slice(0, of.senders).map((from) => ({ from, conversation: GROUP })),
      listeners: members,
      receivers: of.members - 1,
      group: { conversation: GROUP, members },
      inFlight: of.inFlight,
      next: of.next,
      warmMs,
      measureMs,
      messagesMax: Number.MAX_SAFE_INTEGER,
    };
    const parley = await parleyOn(context, data);
    let sent = 0;
    try {
      return await withContenders(context, of.beside, async (running, notes) => {
        const all: [string, Running][] = [['parley', parley], ...running];
        const measured: Measured[] = all.map(([contender, { subject }]) => ({
          contender,
          async measure() {
            const result = await generate(subject, job);
            if (contender === 'parley') sent += result.total ?? 0;
            return figuresOf(result);
          },
        }));
        const rows = await interleave(context, of.title, measured);
        await parley.kill();
        const inboxes = await lookIntoInboxes(context, data, members, sent);
        return { name: of.name, title: of.title, rows, verdicts: of.must(rows), notes: [...notes, inboxes] };
      });
    } finally {
      await parley.kill();
      await removeDirectory(data);
    }
  },
});

/** After `kill -9`, every member reads its inbox from the beginning: all is there, once, without a gap. */
async function lookIntoInboxes(context: Context, data: string, users: readonly string[], messages: number): Promise<string> {
  const again = await parleyOn(context, data);
  try {
    await generate(again.subject, { kind: 'catch-up', users, messages });
    return `after kill -9 all ${messages.toLocaleString('en')} messages are in all ${users.length} inboxes, once and without a gap`;
  } catch (error) {
    return `THE INBOXES AREN'T RIGHT after kill -9: ${error instanceof Error ? error.message : error}`;
  } finally {
    await again.stop();
  }
}

export const group1000 = crowd({
  name: 'group-1000',
  title: 'one group of 1,000 connected members, one message at a time',
  members: 1_000,
  senders: 1,
  inFlight: 1,
  next: 'after everyone',
  beside: ['plain', 'relay'],
  must: (rows) => [{ claim: "send → last member's event, p50", measured: figure(rows, 'parley', 'lastP50Ms'), atMost: 20, unit: ' ms' }],
});

export const group100 = crowd({
  name: 'group-100',
  title: 'one group of 100, ten members send with 10 in flight each',
  members: 100,
  senders: 10,
  inFlight: 10,
  next: 'after sent',
  beside: ['plain', 'relay'],
  must: (rows) => [{ claim: "Socket.IO's relay from memory", measured: ratio(rows, 'relay'), atLeast: 1.5, unit: '×' }],
});
