import fc from 'fast-check';
import t from 'tap';
import type { Operation, ServerFrame } from '../src/actors/messages.ts';
import { conversationNamed, type UserId } from '../src/ids.ts';
import { Messenger } from './support/messenger-model.ts';
import { type Device, message, submission, World } from './support/world.ts';

const USERS = ['ann', 'bob', 'cat', 'dan'] as const;
const GROUPS = ['#one', '#two'] as const;

/** One step: what somebody asks for, or what happens to the node. */
type Step =
  | { readonly kind: 'submit'; readonly user: number; readonly to: string; readonly clientId: string; readonly operation: Operation }
  | { readonly kind: 'read'; readonly user: number; readonly to: string; readonly seq: number }
  | { readonly kind: 'reconnect'; readonly user: number; readonly back: number }
  | { readonly kind: 'ack'; readonly user: number }
  | { readonly kind: 'crash-after'; readonly user: number; readonly to: string; readonly durable: number; readonly turns: number }
  | { readonly kind: 'fail'; readonly user: number; readonly to: string }
  | { readonly kind: 'restart' }
  | { readonly kind: 'fail-read'; readonly skipped: number }
  | { readonly kind: 'pass'; readonly ms: number };

const user = fc.nat(USERS.length - 1);
const name = fc.constantFrom(...USERS);
const names = fc.uniqueArray(name, { maxLength: 3 }) as fc.Arbitrary<UserId[]>;
const direct = name.map((other) => `@${other}`);
const group = fc.constantFrom(...GROUPS);
const clientId = fc.nat(25).map((n) => `id${n}`);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(message('hello')) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('created' as const), title: fc.constant('T'), members: names }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('added' as const), users: names }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('removed' as const), users: names }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'left' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renamed' as const), title: fc.constantFrom('A', 'B') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('role' as const),
      user: name as fc.Arbitrary<UserId>,
      role: fc.constantFrom('owner' as const, 'admin' as const, 'member' as const),
    }),
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('submit' as const), user, to: direct, clientId, operation: fc.constant(message('hi')) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('submit' as const), user, to: group, clientId, operation }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), user, to: fc.oneof(direct, group), seq: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reconnect' as const), user, back: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ack' as const), user }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash-after' as const),
      user,
      to: fc.oneof(direct, group),
      durable: fc.nat(4),
      turns: fc.nat(6),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), user, to: fc.oneof(direct, group) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail-read' as const), skipped: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(200, 4000, 200_000) }) },
);

/** Runs the steps one after the other against the actors and against the plain model, which must agree. */
async function run(steps: readonly Step[]): Promise<void> {
  const world = new World({ groupMembersMax: 3 });
  const model = new Messenger({ groupMembersMax: 3 });
  const devices: Device[] = [];
  const connect = async (index: number, cursor: number | undefined): Promise<void> => {
    devices[index] = await world.connect(USERS[index] as string, 'phone', cursor);
  };
  const reconnectAll = async (): Promise<void> => {
    for (const [index, device] of devices.entries()) await connect(index, device.cursor);
  };
  for (const index of USERS.keys()) await connect(index, 0);
  let fresh = 0;
  for (const step of steps) {
    const device = 'user' in step ? (devices[step.user] as Device) : (devices[0] as Device);
    // Those who connect would have to come again, too.
    if (step.kind !== 'submit' && step.kind !== 'read') world.disk.unreadable = () => false;
    switch (step.kind) {
      case 'submit':
        agree(
          await insist(() => world.submit(device, step.to, step.clientId, step.operation)),
          model.submit(device.user, step.to, step.clientId, step.operation),
          step,
        );
        break;
      case 'read': {
        model.read(device.user, step.to, step.seq);
        const read = { kind: 'read', seq: step.seq, id: undefined, conversation: conversationNamed(step.to, device.user) };
        await insist(async () => (await world.ask(device, read as never))[0]);
        break;
      }
      case 'reconnect':
        world.disconnect(device);
        await connect(step.user, Math.max(0, device.cursor - step.back));
        break;
      case 'ack':
        await world.ask(device, { kind: 'ack', device: device.name, cursor: device.cursor } as never);
        break;
      case 'crash-after': {
        // A crash may lose the last seconds of what was read; here none is at stake.
        await world.pass(4000);
        // The process dies somewhere in the middle; the client resends until it is answered.
        const id = `crash${fresh++}`;
        world.tell(device, submission(device.user, step.to, id, message('boom')));
        for (let turn = 0; turn < step.turns; turn++) await new Promise(setImmediate);
        await world.crash(step.durable);
        await reconnectAll();
        const answer = await insist(() => world.send(devices[step.user] as Device, step.to, id, 'boom'));
        agree(answer, model.submit(device.user, step.to, id, message('boom')), step);
        break;
      }
      case 'fail': {
        const id = `fail${fresh++}`;
        world.disk.failing = true;
        const refused = await world.send(device, step.to, id);
        world.disk.failing = false;
        const expected = model.submit(device.user, step.to, id, message(id));
        if (expected.kind === 'sent') {
          if (refused?.type !== 'error') throw new Error(`a write failed, and the sender read ${JSON.stringify(refused)}`);
          agree(await insist(() => world.send(device, step.to, id)), expected, step);
        } else agree(refused, expected, step);
        break;
      }
      case 'fail-read': {
        // One of the next reads of what actors derived; the actor tries again, and tells who waits to come again.
        let left = step.skipped;
        world.disk.unreadable = ({ kind }) => (kind === 'row' || kind === 'rows') && left-- === 0;
        break;
      }
      case 'restart':
        await world.restart();
        await reconnectAll();
        break;
      case 'pass':
        await world.pass(step.ms);
        break;
    }
  }
  world.disk.unreadable = () => false;
  await compare(world, model, devices);
  await world.end();
}

/** As a client does that is told that it may try again. */
async function insist(ask: () => Promise<ServerFrame | undefined>): Promise<ServerFrame | undefined> {
  const answer = await ask();
  return answer?.type === 'error' && answer.code === 'unavailable' ? ask() : answer;
}

function agree(answer: ServerFrame | undefined, expected: ReturnType<Messenger['submit']>, step: Step): void {
  const where = `after ${JSON.stringify(step)}`;
  if (answer === undefined) throw new Error(`no answer ${where} (always-answered)`);
  if (expected.kind === 'refused') {
    if (answer.type !== 'error' || answer.code !== expected.code)
      throw new Error(`expected ${expected.code}, read ${JSON.stringify(answer)} ${where}`);
    return;
  }
  const same = answer.type === 'sent' && answer.seq === expected.seq && answer.lsn === expected.lsn;
  if (!same)
    throw new Error(`expected seq ${expected.seq} and lsn ${expected.lsn}, read ${JSON.stringify(answer)} ${where} (acked-is-stored)`);
}

/** At the end every device, every history and every list says what the model says. */
async function compare(world: World, model: Messenger, devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const { user } = device;
    const inbox = model.inboxOf(user).map(({ conversation, seq }, index) => `${index + 1} ${conversation} ${seq}`);
    const whole = await world.connect(user, 'fresh', 0);
    const told = whole.events.map(({ lsn, conversation, entry }) => `${lsn} ${conversation} ${entry.seq}`);
    if (told.join() !== inbox.join()) throw new Error(`${user} was told ${told.join()}, not ${inbox.join()} (gap-free)`);
    const seen = device.events.map(({ lsn, conversation, entry }) => `${lsn} ${conversation} ${entry.seq}`);
    if (seen.some((line) => !inbox.includes(line))) throw new Error(`${user}'s device saw ${seen.join()}, of ${inbox.join()}`);
    const lists = await world.ask(whole, { kind: 'conversations', id: 'q', limit: 100, next: undefined } as never);
    const list = lists[0];
    if (list?.type !== 'conversations') throw new Error(`${user} was refused the list: ${JSON.stringify(list)}`);
    const lines = list.items.map(({ conversation, lastSeq, read, unread, title, members }) => ({
      conversation,
      lastSeq,
      read,
      unread,
      title,
      members,
    }));
    const expected = model.listOf(user);
    if (JSON.stringify(lines) !== JSON.stringify(expected))
      throw new Error(`${user} lists ${JSON.stringify(lines)}, not ${JSON.stringify(expected)}`);
    for (const { conversation } of expected) {
      const name = String(conversation);
      const id = conversationNamed(name, user);
      const [page] = await world.ask(whole, {
        kind: 'history',
        id: 'h',
        conversation: id,
        before: undefined,
        after: 0,
        limit: 1000,
      } as never);
      const seqs = page?.type === 'page' ? page.entries.map(({ seq, from, clientId }) => `${seq} ${from} ${clientId}`) : page;
      const history = model.historyOf(user, name);
      if (JSON.stringify(seqs) !== JSON.stringify(history))
        throw new Error(`${user} reads ${JSON.stringify(seqs)} in ${conversation}, not ${JSON.stringify(history)}`);
    }
  }
}

t.test('whatever happens in whatever order, the actors and a plain model of a messenger agree', async () => {
  const runs = Number(process.env['MODEL_RUNS'] ?? 60);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => run(steps)),
    { numRuns: runs, ...(process.env['MODEL_SEED'] === undefined ? {} : { seed: Number(process.env['MODEL_SEED']) }) },
  );
});
