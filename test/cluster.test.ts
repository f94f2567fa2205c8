import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { ActorKind, Command, Effect, SessionAddress, Sessions } from '../src/cluster/actor.ts';
import { Alarms } from '../src/cluster/alarms.ts';
import { Executor } from '../src/cluster/executor.ts';
import { type HeldTurn, HeldTurns } from '../src/cluster/held-turns.ts';
import { Mailbox } from '../src/cluster/mailbox.ts';
import { defaultRegionSettings, Region, type RegionSettings } from '../src/cluster/region.ts';
import { soleOwner } from '../src/cluster/ring.ts';
import { SWEEP_TICK_MS, Sweep } from '../src/cluster/sweep.ts';
import { Failure } from '../src/failure.ts';
import { silentLog } from '../src/log.ts';
import { openMemoryStore } from '../src/storage/memory.ts';
import type { Row } from '../src/storage/store.ts';
import { ManualClock } from './support/manual-clock.ts';
import { Disk } from './support/world.ts';

/** A counter: the smallest actor that stores something. */
interface Counter {
  readonly id: string;
  count: number;
  dirty: boolean;
  /** What `look-first` needs was read. */
  loaded: boolean;
}

type Count =
  /** Needs something read, once in each life of the activation. */
  | { readonly kind: 'look-first'; readonly by: SessionAddress }
  /** The same of a client. */
  | { readonly kind: 'ask-first'; readonly by: SessionAddress }
  | { readonly kind: 'leave'; readonly by: SessionAddress }
  /** Asks for an alarm in five seconds. */
  | { readonly kind: 'wake-me'; readonly by: SessionAddress }
  | { readonly kind: 'add'; readonly by: SessionAddress }
  | { readonly kind: 'poison'; readonly by: SessionAddress }
  /** Crashes only when the turn is concluded. */
  | { readonly kind: 'late-poison'; readonly by: SessionAddress }
  /** Tells itself what crashes. */
  | { readonly kind: 'inward-poison'; readonly by: SessionAddress }
  | { readonly kind: 'refuse-me'; readonly by: SessionAddress }
  | { readonly kind: 'gossip' }
  | { readonly kind: 'add-there'; readonly to: string; readonly by: SessionAddress }
  | { readonly kind: 'added-from'; readonly by: SessionAddress }
  | { readonly kind: 'alarm' };

const session: SessionAddress = { node: 'n1', id: 1 };
const emit = (frame: unknown): Effect => ({ kind: 'emit', session, tag: 0, frame });

const counter: ActorKind<Counter, Count, { readonly kind: 'added'; readonly bad?: true }> = {
  kind: 'counter',
  *restore(id) {
    const [rows] = (yield [{ kind: 'forward', log: 'inbox', of: id, after: 0, limit: 1000 }]) as [readonly Row[]];
    return { id, count: rows.length, dirty: false, loaded: false };
  },
  load(state, command) {
    if ((command.kind !== 'look-first' && command.kind !== 'ask-first') || state.loaded) return undefined;
    return (function* () {
      yield [{ kind: 'row', table: 'item', of: state.id, key: '' }];
      state.loaded = true;
    })();
  },
  decide(state, command) {
    switch (command.kind) {
      case 'add':
      case 'look-first':
      case 'ask-first':
      case 'leave':
      case 'added-from':
        return { events: [{ kind: 'added' }], effects: [emit(`${state.id}=${state.count + 1}`)] };
      case 'add-there':
        return {
          events: [{ kind: 'added' }],
          effects: [
            { kind: 'tell', to: { kind: 'counter', id: command.to }, command: { ...command, kind: 'added-from' }, when: 'ordered' },
          ],
        };
      case 'late-poison':
        return { events: [{ kind: 'added', bad: true }], effects: [] };
      case 'inward-poison':
        return {
          events: [],
          effects: [{ kind: 'tell', to: { kind: 'counter', id: state.id }, command: { ...command, kind: 'poison' }, when: 'ordered' }],
        };
      case 'wake-me':
        return { events: [], effects: [{ kind: 'alarm', afterMs: 5000 }] };
      case 'poison':
        throw new TypeError('a bug');
      case 'refuse-me':
        throw new Failure('forbidden', 'no');
      default:
        return { events: [], effects: [] };
    }
  },
  apply(state) {
    state.count += 1;
    state.dirty = true;
  },
  conclude(state, events, epoch) {
    if (events.some(({ bad }) => bad)) throw new TypeError('a bug that shows late');
    const first = state.count - events.length + 1;
    const writes = events.map((_, index) => ({
      kind: 'append' as const,
      log: 'inbox' as const,
      of: state.id,
      first: first + index,
      last: first + index,
      epoch,
      payload: new Uint8Array(1),
    }));
    return { writes, effects: [] };
  },
  refuse: (command, failure) => (command.kind === 'gossip' ? [] : [emit(`${command.kind}: ${failure.code}`)]),
  vital: ({ kind }) => kind === 'leave',
  sheddable: ({ kind }) => kind === 'gossip',
  fromClient: ({ kind }) => kind === 'add' || kind === 'ask-first',
  dirty: (state) => state.dirty,
  derive(state) {
    state.dirty = false;
    return [];
  },
  unclosed: () => false,
  close(state) {
    state.dirty = false;
    return { writes: [], effects: [] };
  },
  idle: () => true,
  tidy: () => {},
  bytes: () => 1000,
  carry: () => [],
  abandon: (state) => [emit(`${state.id} abandoned`)],
};

interface Node {
  readonly clock: ManualClock;
  readonly disk: Disk;
  readonly region: Region;
  readonly told: unknown[];
  tell(id: string, command: Count): void;
  settle(): Promise<void>;
  pass(ms: number): Promise<void>;
}

function node(test: Test, settings: Partial<RegionSettings> = {}, traits?: { ordered: boolean; durable: boolean }): Node {
  const clock = new ManualClock();
  const disk = new Disk(openMemoryStore({ clock }));
  if (traits !== undefined) Object.defineProperty(disk, 'traits', { value: traits });
  const told: unknown[] = [];
  const sessions: Sessions = { emit: (_session, _tag, frame) => told.push(frame), close() {} };
  const region = new Region({
    node: 'n1',
    ring: soleOwner('n1'),
    store: disk,
    sessions,
    clock,
    log: silentLog,
    settings: { ...defaultRegionSettings, ...settings },
    kinds: [counter],
  });
  test.teardown(() => region.halt());
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 3; ) {
      await turn();
      if (disk.waiting > 0) await disk.flush();
      quiet = region.quiet ? quiet + 1 : 0;
    }
  };
  return {
    clock,
    disk,
    region,
    told,
    settle,
    tell: (id, command) => region.tell({ kind: 'counter', id }, command),
    async pass(ms) {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(left, 100));
        for (let i = 0; i < 3; i++) await turn();
        await disk.flush();
      }
    },
  };
}

/** When derived rows were asked for. */
function derivesOf(test: Test, { clock }: Node): number[] {
  const derived: number[] = [];
  const { derive, close } = counter;
  test.teardown(() => Object.assign(counter, { derive, close }));
  const note = (state: Counter): [] => {
    state.dirty = false;
    derived.push(clock.monotonic());
    return [];
  };
  Object.assign(counter, { derive: note, close: (state: Counter) => ({ writes: note(state), effects: [] }) });
  return derived;
}

const add: Count = { kind: 'add', by: session };
const poison = (): Count => ({ kind: 'poison', by: session });

t.test('nothing is told before what it follows from is stored (nothing-unfenced)', async (t) => {
  const n = node(t);
  n.tell('a', add);
  n.tell('a', add);
  for (let i = 0; i < 10; i++) await turn();
  t.equal(n.disk.waiting, 1, 'one write for a turn');
  t.same(n.told, []);
  await n.settle();
  t.same(n.told, ['a=1', 'a=2']);
});

t.test('on an ordered store a tell goes out with the write; on another only after it', async (t) => {
  for (const ordered of [true, false]) {
    const n = node(t, {}, { ordered, durable: true });
    n.tell('a', { kind: 'add-there', to: 'b', by: session });
    for (let i = 0; i < 10; i++) await turn();
    t.equal(n.disk.waiting, ordered ? 2 : 1);
    await n.settle();
    t.same(n.told, ['b=1']);
  }
});

t.test('what follows from a write that was lost is void, and its sender is told', async (t) => {
  const n = node(t);
  await n.settle();
  n.tell('b', add);
  await n.settle();
  n.tell('a', { kind: 'add-there', to: 'b', by: session });
  while (n.disk.waiting === 0) await turn();
  n.disk.failing = true;
  await n.disk.flush();
  await n.settle();
  n.tell('b', add);
  await n.settle();
  t.notOk(n.told.includes('b=3'), 'b never counted what came from the lost turn');
  t.ok(n.told.includes('b=2'));
});

t.test('a refusal is told to its sender and changes nothing', async (t) => {
  const n = node(t);
  n.tell('a', { kind: 'refuse-me', by: session });
  n.tell('a', add);
  await n.settle();
  t.same(n.told, ['refuse-me: forbidden', 'a=1']);
});

t.test('a command that crashes twice is set aside; those around it are decided once', async (t) => {
  const n = node(t);
  n.tell('a', add);
  n.tell('a', poison());
  n.tell('a', add);
  n.tell('b', add);
  await n.settle();
  t.same(n.told.filter((frame) => frame !== 'a abandoned').sort(), ['a=1', 'a=2', 'b=1', 'poison: internal']);
  t.equal(n.region.stats().crashes, 2);
});

for (const kind of ['late-poison', 'inward-poison'] as const) {
  t.test(`a ${kind} is found among many by trying them one by one; the others are decided once, and nobody rests`, async (t) => {
    const n = node(t);
    for (let i = 0; i < 4; i++) n.tell('a', add);
    n.tell('a', { kind: 'look-first', by: session });
    n.tell('a', { kind, by: session });
    for (let i = 0; i < 5; i++) n.tell('a', add);
    await n.settle();
    const told = n.told.filter((frame) => frame !== 'a abandoned');
    t.same(
      told.filter((frame) => frame !== `${kind}: internal`),
      Array.from({ length: 10 }, (_, i) => `a=${i + 1}`),
    );
    t.equal(told.length, 11, 'and the one is refused');
    t.equal(n.region.stats().crashes, 2);
    n.tell('a', add);
    await n.settle();
    t.equal(n.told.at(-1), 'a=11');
  });
}

t.test('an activation whose bookkeeping throws is started again; the sweep goes on', async (t) => {
  const n = node(t);
  n.tell('a', add);
  n.tell('b', add);
  await n.settle();
  let thrown = false;
  const bytes = t.capture(counter, 'bytes', () => {
    if (thrown) return 1000;
    thrown = true;
    throw new TypeError('a bug');
  });
  await n.pass(20_000);
  t.ok(bytes().length > 2, 'the others are looked at, too');
  t.equal(n.region.stats().crashes, 1);
  n.tell('a', add);
  n.tell('b', add);
  await n.settle();
  t.same(n.told.slice(-2).sort(), ['a=2', 'b=2']);
});

t.test('an actor that keeps crashing rests, longer each time; others go on', async (t) => {
  const n = node(t);
  for (let i = 0; i < 2; i++) n.tell('a', poison());
  await n.pass(0);
  for (let i = 0; i < 20; i++) await turn();
  n.tell('a', add);
  t.equal(n.told.at(-1), 'add: unavailable');
  n.tell('b', add);
  await n.disk.flush();
  for (let i = 0; i < 10; i++) await turn();
  await n.disk.flush();
  await turn();
  t.ok(n.told.includes('b=1'));
  await n.pass(300);
  n.tell('a', add);
  await n.settle();
  t.ok(n.told.includes('a=1'), 'after its rest it works again');
});

t.test('the mailbox is bounded: gossip is dropped, clients are refused, actors have more room (bounded)', async (t) => {
  const n = node(t, { mailboxClientMax: 10, mailboxMax: 20 });
  for (let i = 0; i < 15; i++) n.tell('a', add);
  for (let i = 0; i < 5; i++) n.tell('a', { kind: 'gossip' });
  for (let i = 0; i < 15; i++) n.tell('a', { kind: 'added-from', by: session });
  t.same(n.told, [...Array(5).fill('add: overloaded'), ...Array(5).fill('added-from: overloaded')]);
  for (let i = 0; i < 3; i++) n.tell('a', { kind: 'leave', by: session });
  t.equal(n.told.length, 10, 'what nobody tells again is taken all the same');
  await n.settle();
  t.ok(n.told.includes('a=23'));
});

t.test('idle activations are unloaded after a time, and come back as they were', async (t) => {
  const n = node(t, { passivateAfterMs: 5000, deriveEveryMs: 1000 });
  n.tell('a', add);
  await n.settle();
  t.same(n.region.stats().loaded, { counter: 1 });
  await n.pass(9000);
  t.same(n.region.stats().loaded, { counter: 0 });
  n.tell('a', add);
  await n.settle();
  t.equal(n.told.at(-1), 'a=2');
});

t.test('above the memory bound the least recently used go first', async (t) => {
  const n = node(t, { activationBytesMax: 5500, deriveEveryMs: 200 });
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    n.tell(id, { kind: 'alarm' });
    await n.settle();
    n.clock.advance(1);
  }
  n.tell('a', { kind: 'alarm' });
  await n.pass(3000);
  t.same(n.region.stats().loaded, { counter: 5 }, 'as many as needed, and about no more');
  const before = n.region.stats().restored;
  n.tell('a', add);
  await n.settle();
  t.equal(n.region.stats().restored, before, 'the one just used is still there');
});

t.test('halting tells nothing more, though writes still end', async (t) => {
  const n = node(t);
  n.tell('a', add);
  while (n.disk.waiting === 0) await turn();
  n.region.halt();
  await n.disk.flush();
  await turn();
  t.same(n.told, []);
});

t.test('alarms ring once, at the earliest time asked for', async (t) => {
  const clock = new ManualClock();
  const rung: string[] = [];
  const alarms = new Alarms<{ name: string }>(clock, 20, ({ name }) => rung.push(name));
  const a = { name: 'a' };
  alarms.set(a, 1000);
  alarms.set(a, 100);
  alarms.set(a, 500);
  alarms.set({ name: 'b' }, 0);
  clock.advance(60);
  t.same(rung, ['b']);
  clock.advance(100);
  t.same(rung, ['b', 'a']);
  clock.advance(5000);
  t.same(rung, ['b', 'a']);
  alarms.stop();
  t.equal(clock.timers, 0);
});

t.test('a mailbox gives back what it was given, in order', async (t) => {
  const count = { waiting: 0 };
  const mailbox = new Mailbox<Command>(count);
  const letter = (kind: string) => ({ command: { kind }, losses: undefined });
  for (let i = 0; i < 500; i++) mailbox.push(letter(`${i}`));
  for (let i = 0; i < 300; i++) t.equal(mailbox.shift()?.command.kind, `${i}`);
  mailbox.unshift([letter('x'), letter('y')]);
  t.equal(mailbox.length, 202);
  t.equal(mailbox.shift()?.command.kind, 'x');
  t.equal(mailbox.shift()?.command.kind, 'y');
  t.equal(mailbox.shift()?.command.kind, '300');
  t.equal(mailbox.drain().length, 199);
  t.equal(mailbox.shift(), undefined);
});

t.test('a mailbox is a queue, whatever comes and goes', async (t) => {
  const steps = fc.array(fc.tuple(fc.constantFrom('push', 'shift', 'unshift', 'drain'), fc.integer({ min: 1, max: 90 })), {
    size: 'max',
    maxLength: 100,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const count = { waiting: 0 };
      const mailbox = new Mailbox<Command>(count);
      let plain: string[] = [];
      let next = 0;
      const letters = (many: number): { command: Command; losses: undefined }[] =>
        Array.from({ length: many }, () => ({ command: { kind: `${next++}` }, losses: undefined }));
      for (const [step, many] of all) {
        if (step === 'shift') {
          for (let i = 0; i < many; i++) if (mailbox.shift()?.command.kind !== plain.shift()) return false;
        } else if (step === 'drain') {
          if (many > 10) continue;
          const drained = mailbox.drain().map(({ command }) => command.kind);
          if (drained.join() !== plain.join()) return false;
          plain = [];
        } else {
          const added = letters(many);
          const kinds = added.map(({ command }) => command.kind);
          if (step === 'push') for (const letter of added) mailbox.push(letter);
          else mailbox.unshift(added);
          plain = step === 'push' ? [...plain, ...kinds] : [...kinds, ...plain];
        }
        if (mailbox.length !== plain.length || count.waiting !== plain.length) return false;
      }
      return true;
    }),
  );
  t.pass();
});

t.test('turns are held until all before them is stored, and undone from a failed one on', async (t) => {
  const turns = new HeldTurns<Command>();
  const [one, two, three] = [1, 2, 3].map(() => turns.holdWriting([], [])) as [HeldTurn<Command>, HeldTurn<Command>, HeldTurn<Command>];
  turns.holdQuiet([], []);
  two.stored = true;
  t.strictSame(turns.takeStored(), []);
  one.stored = true;
  t.strictSame(turns.takeStored(), [one, two]);
  t.notOk(turns.empty);
  const four = turns.holdWriting([], []);
  t.strictSame(turns.takeFrom(four), [four]);
  t.strictSame(turns.takeFrom(four), [], 'once');
  t.equal(turns.takeFrom(three).length, 2, 'the quiet one after it, too');
  t.ok(turns.empty);
  t.notOk(turns.quiet, 'writes are under way');
  for (let i = 0; i < 4; i++) turns.written();
  t.ok(turns.quiet);
});

t.test('an activation whose crash can’t even be handled costs no other its turns', async (t) => {
  const n = node(t);
  n.tell('a', add);
  n.tell('b', add);
  await n.settle();
  const abandon = t.capture(counter, 'abandon', () => {
    throw new TypeError('a bug in the handling of a bug');
  });
  n.tell('a', poison());
  await n.settle();
  t.ok(abandon().length > 0);
  for (let i = 0; i < 20; i++) n.tell(`c${i}`, add);
  n.tell('a', add);
  await n.settle();
  t.equal(n.told.filter((frame) => String(frame).startsWith('c')).length, 20);
  t.ok(n.told.includes('a=2'), 'nor itself for ever');
});

t.test('a turn whose write may still succeed isn’t refused because one after it fails (acked-is-stored)', async (t) => {
  const n = node(t);
  n.tell('a', add);
  while (n.disk.waiting === 0) await turn();
  n.tell('a', { kind: 'added-from', by: session });
  while (n.disk.waiting === 1) await turn();
  n.disk.hangs = (writes) => writes.some((write) => write.kind === 'append' && write.first === 1);
  n.disk.failing = true;
  await n.disk.flush();
  for (let i = 0; i < 10; i++) await turn();
  t.same(n.told, ['added-from: unavailable']);
  n.disk.hangs = () => false;
  await n.settle();
  t.same(n.told, ['added-from: unavailable', 'a=1']);
  n.tell('a', add);
  await n.settle();
  t.equal(n.told.at(-1), 'a=2');
});

t.test('where writes aren’t ordered, of a turn after one that failed it is not known whether it is stored', async (t) => {
  const n = node(t, {}, { ordered: false, durable: true });
  n.tell('a', add);
  while (n.disk.waiting === 0) await turn();
  n.tell('a', { kind: 'added-from', by: session });
  while (n.disk.waiting === 1) await turn();
  n.disk.hangs = (writes) => writes.some((write) => write.kind === 'append' && write.first === 2);
  n.disk.failing = true;
  await n.disk.flush();
  for (let i = 0; i < 10; i++) await turn();
  t.same(n.told, ['add: unavailable', 'added-from: timeout']);
  n.disk.hangs = () => false;
  await n.settle();
});

t.test('an alarm that rings for an activation that was unloaded is counted nowhere', async (t) => {
  const n = node(t, { passivateAfterMs: 1000 });
  n.tell('a', { kind: 'wake-me', by: session });
  await n.pass(4000);
  t.same(n.region.stats().loaded, { counter: 0 });
  await n.pass(4000);
  t.equal(n.region.waiting, 0);
});

t.test('a turn that only began to read is none of those in which the one to blame is looked for', async (t) => {
  const n = node(t);
  n.tell('a', { kind: 'look-first', by: session });
  n.tell('a', { kind: 'late-poison', by: session });
  while (n.region.stats().crashes === 0) await turn();
  for (let i = 0; i < 5; i++) n.tell('a', add);
  await n.settle();
  const told = n.told.filter((frame) => frame !== 'a abandoned');
  t.same(told.sort(), ['a=1', 'a=2', 'a=3', 'a=4', 'a=5', 'a=6', 'late-poison: internal']);
  t.equal(n.region.stats().crashes, 2);
});

t.test('while what a command needs can’t be read, clients are refused and the others wait; then all goes on in order', async (t) => {
  const n = node(t);
  n.tell('a', add);
  await n.settle();
  n.disk.unreadable = ({ kind }) => kind === 'row';
  n.tell('a', { kind: 'look-first', by: session });
  n.tell('a', add);
  n.tell('a', { kind: 'added-from', by: session });
  for (let i = 0; i < 5; i++) await turn();
  t.same(n.told, ['a=1', 'add: unavailable']);
  await n.pass(1000);
  t.same(n.told, ['a=1', 'add: unavailable'], 'it is tried again, and fails again');
  n.disk.unreadable = () => false;
  await n.pass(2000);
  t.same(n.told, ['a=1', 'add: unavailable', 'a=2', 'a=3']);
});

t.test('what can’t be read for long, or can’t be understood, costs the command that needs it and no other', async (t) => {
  const n = node(t);
  n.tell('a', add);
  await n.settle();
  n.disk.unreadable = ({ kind }) => kind === 'row';
  n.tell('a', { kind: 'look-first', by: session });
  n.tell('a', { kind: 'added-from', by: session });
  await n.pass(20_000);
  t.same(n.told.slice(1), ['look-first: unavailable', 'a=2']);
  n.disk.unreadable = (read) => {
    if (read.kind === 'row') throw new TypeError('a bug');
    return false;
  };
  n.tell('a', { kind: 'look-first', by: session });
  n.tell('a', add);
  await n.settle();
  t.same(n.told.slice(3), ['look-first: internal', 'a=3']);
  t.equal(n.region.stats().crashes, 1);
});

t.test('an orderly stop waits for what is being read, and writes what was derived before', async (t) => {
  const n = node(t);
  const derived = derivesOf(t, n);
  n.tell('a', add);
  await n.settle();
  n.disk.unreadable = ({ kind }) => kind === 'row';
  n.tell('a', { kind: 'ask-first', by: session });
  for (let i = 0; i < 5; i++) await turn();
  t.equal(n.told.at(-1), 'ask-first: unavailable', 'nothing waits any longer, but for the next attempt');
  let stopped = false;
  const stop = n.region.drain(10_000).then(() => {
    stopped = true;
  });
  n.disk.unreadable = () => false;
  while (!stopped) {
    n.clock.advance(20);
    await turn();
    await n.disk.flush();
  }
  await stop;
  t.ok(derived.length > 0);
});

t.test('derived rows that fall due while something is read are written as soon as that has ended, well or not', async (t) => {
  const n = node(t, { deriveEveryMs: 1000 });
  const derived = derivesOf(t, n);
  n.tell('a', add);
  await n.settle();
  n.disk.unreadable = ({ kind }) => kind === 'row';
  n.tell('a', { kind: 'look-first', by: session });
  await n.pass(2000);
  t.equal(derived.length, 1);
});

t.test('turns beyond two milliseconds wait until sockets and the disk had theirs; one that throws holds up none behind it', async (t) => {
  const clock = new ManualClock();
  const order: string[] = [];
  const failed: unknown[] = [];
  const executor = new Executor('n', clock, (_taker, error) => failed.push(error));
  t.teardown(() => executor.stop());
  const taker = (name: string, act = (): void => {}) => ({
    turn(): void {
      order.push(name);
      act();
    },
  });
  const second = taker('told by the first');
  executor.run(taker('first', () => executor.run(second)));
  executor.run(
    taker('long', () => {
      clock.advance(5);
      setImmediate(() => order.push('others'));
    }),
  );
  executor.run(
    taker('throws', () => {
      throw new TypeError('a bug');
    }),
  );
  executor.run(taker('behind'));
  while (order.length < 6) await turn();
  t.same(order, ['first', 'long', 'others', 'throws', 'behind', 'told by the first']);
  t.match(failed, [{ message: 'a bug' }]);
});

t.test('derived rows are written in time, and those of many that changed together not all together', async (t) => {
  const n = node(t, { deriveEveryMs: 1000 });
  const derived = derivesOf(t, n);
  const began = n.clock.monotonic();
  for (let i = 0; i < 100; i++) n.tell(`c${i}`, add);
  await n.settle();
  t.equal(derived.length, 0);
  await n.pass(1100);
  t.equal(derived.length, 100, 'each once');
  t.ok(derived.every((at) => at - began >= 500));
  const perTick = new Map<number, number>();
  for (const at of derived) perTick.set(at, (perTick.get(at) ?? 0) + 1);
  t.ok(Math.max(...perTick.values()) <= 25, 'a fifth of them in a fifth of the time');
});

t.test('where more actors have derived rows to write than may in a second, they wait for longer, up to a bound', async (t) => {
  const n = node(t, { deriveEveryMs: 1000, derivesPerSecond: 10, deriveEveryMaxMs: 8000 });
  const derived = derivesOf(t, n);
  const began = n.clock.monotonic();
  for (let i = 0; i < 30; i++) n.tell(`c${i}`, add);
  await n.settle();
  await n.pass(4100);
  t.equal(derived.length, 30);
  const inTheFirst = (ms: number): number => derived.filter((at) => at - began <= ms).length;
  t.ok(inTheFirst(1000) <= 15, `${inTheFirst(1000)} in the first second, where all would have been due`);
  t.ok(inTheFirst(2000) <= 25, `${inTheFirst(2000)} in the first two`);
  for (let i = 0; i < 300; i++) n.tell(`c${i}`, add);
  await n.settle();
  await n.pass(8100);
  t.equal(derived.length, 330, 'none later than the bound');
});

t.test('what only the next activation needs is written once, before this one is unloaded or the node stops', async (t) => {
  const n = node(t, { passivateAfterMs: 5000, deriveEveryMs: 1000 });
  const closed: string[] = [];
  const { unclosed, close } = counter;
  t.teardown(() => Object.assign(counter, { unclosed, close }));
  Object.assign(counter, {
    unclosed: ({ id, count }: Counter) => !closed.includes(`${id}=${count}`),
    close: (state: Counter) => {
      state.dirty = false;
      closed.push(`${state.id}=${state.count}`);
      return { writes: [], effects: [] };
    },
  });
  n.tell('a', add);
  await n.pass(4000);
  t.same(closed, [], 'not while it is loaded');
  await n.pass(5000);
  t.same(closed, ['a=1']);
  t.same(n.region.stats().loaded, { counter: 0 });
  n.tell('b', add);
  await n.settle();
  const stopped = n.region.drain(10_000);
  for (let i = 0; i < 10; i++) {
    n.clock.advance(20);
    await turn();
    await n.disk.flush();
  }
  await stopped;
  t.same(closed, ['a=1', 'b=1']);
});

t.test('an activation is tidied soon after it had something to do, and rarely while it has all the time', (t) => {
  const host = {
    ...{ lastActive: 0, bytes: 0, unclosed: false, idle: false, tidied: [] as number[], measured: 0 },
    ...{ tidiedAt: Number.NEGATIVE_INFINITY, measuredAt: Number.NEGATIVE_INFINITY },
    tidy(): void {
      this.tidied.push(now);
      this.tidiedAt = now;
    },
    measure(): void {
      this.measured += 1;
      this.measuredAt = now;
    },
    close: (): void => {},
  };
  const settings = { passivateAfterMs: 1_000_000, activationBytesMax: 3_000_000, tidyEveryMs: 10_000 };
  const sweep = new Sweep(
    settings,
    () => [host].values(),
    () => {},
    (_host, error) => void t.fail(String(error)),
  );
  let now = 0;
  const pass = (ms: number, busy: boolean): void => {
    for (const end = now + ms; now < end; now += SWEEP_TICK_MS) {
      if (busy) host.lastActive = now;
      sweep.tick(now, 1);
    }
  };
  pass(1000, true);
  t.equal(host.tidied.length, 1, 'at first at once');
  pass(58_000, true);
  t.equal(host.tidied.length, 1);
  t.ok(host.measured >= 5, 'its memory is estimated all the same');
  pass(2000, true);
  t.equal(host.tidied.length, 2);
  pass(13_000, false);
  t.equal(host.tidied.length, 3);
  t.end();
});

t.test('a sweep goes round many activations a few at a time, and unloads as many as memory asks for, the oldest first', (t) => {
  const many = 40_000;
  const hosts = Array.from({ length: many }, (_, number) => ({
    ...{ number, lastActive: number, bytes: 0, unclosed: number % 2 === 0, idle: number % 10 !== 0 },
    ...{ tidiedAt: Number.NEGATIVE_INFINITY, measuredAt: Number.NEGATIVE_INFINITY },
    tidy(): void {
      this.tidiedAt = now;
    },
    measure(): void {
      this.measuredAt = now;
      this.bytes = 100;
    },
    close(): void {
      this.unclosed = false;
    },
  }));
  const loaded = new Set(hosts);
  let now = many;
  const settings = { passivateAfterMs: 1_000_000, activationBytesMax: 3_000_000, tidyEveryMs: 10_000 };
  const sweep = new Sweep(
    settings,
    () => loaded.values(),
    (host) => void loaded.delete(host),
    (_host, error) => void t.fail(String(error)),
  );
  const ticks = (count: number): void => {
    for (let i = 0; i < count; i++) {
      now += SWEEP_TICK_MS;
      sweep.tick(now, loaded.size);
    }
  };
  ticks(150);
  t.equal(hosts.filter(({ tidiedAt }) => tidiedAt > 0).length, 30_000, 'two hundred a tick');
  ticks(51);
  t.equal(sweep.bytes, 4_000_000);
  ticks(600);
  const gone = hosts.filter((host) => !loaded.has(host));
  t.ok(loaded.size <= 30_100 && loaded.size >= 29_500, `${loaded.size} are left`);
  t.ok(gone.every(({ idle, unclosed }) => idle && !unclosed));
  t.ok(Math.max(...gone.map(({ number }) => number)) < 14_000, 'those not used for longest');
  now += settings.passivateAfterMs;
  ticks(600);
  t.equal(loaded.size, 4_000, 'what is idle for long goes anyway; what isn’t idle stays');
  t.end();
});
