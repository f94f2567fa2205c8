import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Failure } from '../src/failure.ts';
import type { Log } from '../src/log.ts';
import { openDisk } from '../src/storage/disk.ts';
import { defaultLevelSettings, type LevelSettings } from '../src/storage/level-settings.ts';
import { openLevelStore, startLevelStore } from '../src/storage/leveldb.ts';
import { ReadWindow } from '../src/storage/read-window.ts';
import type { Store } from '../src/storage/store.ts';
import { FaultyDisk } from './contract/faulty-disk.ts';
import { append, put, remove } from './contract/rows.ts';
import { temporaryDirectory } from './support/data.ts';
import { ManualClock } from './support/manual-clock.ts';
import { waitUntil } from './support/wait-until.ts';

const MIB = 2 ** 20;

interface Bench extends AsyncDisposable {
  readonly store: Store;
  readonly disk: FaultyDisk;
  readonly clock: ManualClock;
  readonly events: string[];
  readonly directory: string;
}

async function open(t: Test, over: Partial<LevelSettings> = {}): Promise<Bench> {
  const directory = await temporaryDirectory(t);
  const clock = new ManualClock();
  const disk = new FaultyDisk(await openDisk(directory));
  disk.freeBytesNow = 10_000 * MIB;
  const events: string[] = [];
  const note = (event: string): void => void events.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const store = await startLevelStore(disk, clock, { ...defaultLevelSettings, ...over }, log);
  return {
    store,
    disk,
    clock,
    events,
    directory,
    async [Symbol.asyncDispose]() {
      disk.release();
      await store.close();
      t.equal(clock.timers, 0, 'no timer is left');
    },
  };
}

/** How a call ends, once it has. */
class Outcome {
  readonly ended: Promise<void>;
  now = 'pending';
  failure: Failure | undefined;

  constructor(call: Promise<void>) {
    this.ended = call.then(
      () => {
        this.now = 'stored';
      },
      (error: unknown) => {
        this.failure = Failure.from(error);
        this.now = this.failure.code;
      },
    );
  }
}

const keys = async (store: Store): Promise<string[]> =>
  (await store.read({ kind: 'rows', table: 'item', of: 'alice', limit: 1000 })).map(({ key }) => key);

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

t.test('what is written in one go shares one batch, without waiting for more', async (t) => {
  await using bench = await open(t);
  const { store, disk } = bench;
  disk.nextWrite('hangs');
  const both = [new Outcome(store.write([append(1)])), new Outcome(store.write([append(2), append(3)]))];
  t.same(disk.batches, []);
  await undefined;
  t.same(disk.batches, [4], 'three rows, and one that says which batch it is');
  disk.release();
  await Promise.all(both.map(({ ended }) => ended));
});

t.test('what comes while a batch is written shares the next one', async (t) => {
  await using bench = await open(t);
  const { store, disk } = bench;
  disk.nextWrite('hangs');
  const first = new Outcome(store.write([append(1), append(2), append(3)]));
  await waitUntil('the batch is begun', () => disk.batches.length === 1);
  const second = new Outcome(store.write([]));
  const third = new Outcome(store.write([append(4)]));
  const fourth = new Outcome(store.write([append(5)]));
  t.equal(store.status().writesPending, 4);
  disk.release();
  await Promise.all([first, second, third, fourth].map(({ ended }) => ended));
  t.same(disk.batches, [4, 3]);
});

t.test('a batch has a limit in bytes, and so has what waits', async (t) => {
  await using bench = await open(t, { batchBytesMax: 1000, pendingBytesMax: 5000, pendingCallsMax: 8 });
  const { store, disk } = bench;
  disk.nextWrite('hangs');
  const large = (position: number): Outcome => new Outcome(store.write([append(position, position, { bytes: Buffer.alloc(936) })]));
  const calls = Array.from({ length: 5 }, (_, i) => large(i + 1));
  const refused = large(6);
  await refused.ended;
  t.match(refused.failure, { code: 'unavailable', retryAfterMs: Number });
  const sameTurn = new Outcome(store.write([]));
  t.match(store.status().refusing, 'too much is waiting');
  await waitUntil('the first batch is begun', () => disk.batches.length === 1);
  t.equal(sameTurn.now, 'unavailable', 'what is submitted before anyone could hear is refused too');
  await turns(2);
  const small = Array.from({ length: 4 }, () => new Outcome(store.write([])));
  await turns(3);
  t.same(
    small.map(({ now }) => now),
    ['pending', 'pending', 'pending', 'unavailable'],
    'calls are counted too',
  );
  disk.release();
  await Promise.all(calls.map(({ ended }) => ended));
  t.same(
    calls.map(({ now }) => now),
    Array(5).fill('stored'),
  );
  t.same(disk.batches.slice(0, 5), [2, 2, 2, 2, 2], 'one large row a batch');
  await waitUntil('it takes writes', () => store.status().refusing === undefined && store.status().writesPending === 0);
  const alone = new Outcome(store.write([append(9, 9, { bytes: Buffer.alloc(20_000) })]));
  await alone.ended;
  t.equal(alone.now, 'stored', 'a write above the limit goes when it is alone');
});

t.test('an engine that hangs: new writes are refused, those that wait are withdrawn, and it goes on when the engine does', async (t) => {
  await using bench = await open(t, { stallMs: 1000, queueDeadlineMs: 2000 });
  const { store, disk, clock } = bench;
  await store.write([put('before', '')]);
  disk.nextWrite('hangs');
  const inside = new Outcome(store.write([put('inside', '')]));
  await waitUntil('the engine has it', () => disk.batches.length === 2);
  const waiting = [new Outcome(store.write([put('waiting', '')])), new Outcome(store.write([put('behind', '')]))];
  clock.advance(900);
  t.equal(store.status().refusing, undefined);
  t.equal(store.status().oldestPendingMs, 900);
  clock.advance(200);
  t.match(store.status().refusing, 'doesn’t answer');
  const late = new Outcome(store.write([put('late', '')]));
  await late.ended;
  t.match(late.failure, { code: 'unavailable', retryAfterMs: 1000 });
  t.same(await keys(store), ['before'], 'reads go on');
  t.equal(waiting[0]?.now, 'pending');
  clock.advance(1000);
  await Promise.all(waiting.map(({ ended }) => ended));
  t.same(
    waiting.map(({ now }) => now),
    ['unavailable', 'unavailable'],
  );
  clock.advance(60_000);
  await turns(5);
  t.equal(inside.now, 'pending', 'what the engine has waits for the engine');
  t.equal(store.status().oldestPendingMs, 62_100);
  t.equal(store.status().writesPending, 1);
  disk.release();
  await inside.ended;
  t.equal(inside.now, 'stored');
  await waitUntil('it takes writes', () => store.status().refusing === undefined);
  await store.write([put('after', '')]);
  t.same(await keys(store), ['after', 'before', 'inside']);
});

t.test('a write that fails: all behind it fails, the files are opened anew, and the caller learns the truth', async (t) => {
  await using bench = await open(t);
  const { store, disk, clock, events } = bench;
  await store.write([put('before', '')]);
  disk.nextReopensFail(2);
  disk.nextWrite('fails');
  const failing = new Outcome(store.write([put('failing', '')]));
  await waitUntil('the engine has it', () => disk.batches.length === 2);
  const behind = new Outcome(store.write([put('behind', '')]));
  await behind.ended;
  t.equal(behind.now, 'unavailable');
  t.match(store.status().refusing, 'failed');
  await waitUntil('it tried to open the files', () => disk.reopened === 1 && clock.timers === 3);
  t.equal(failing.now, 'pending', 'nobody knows yet what is on disk');
  clock.advance(1000);
  await waitUntil('it tried again', () => disk.reopened === 2 && clock.timers === 3);
  await t.rejects(store.write([]), { code: 'unavailable' });
  clock.advance(1000);
  await failing.ended;
  t.match(failing.failure, { code: 'unavailable', cause: { message: /no space left/ } });
  t.equal(disk.reopened, 3);
  await waitUntil('it takes writes', () => store.status().refusing === undefined);
  await store.write([put('after', '')]);
  t.same(await keys(store), ['after', 'before']);
  t.same(events, ['store-write-failed', 'store-reopen-failed', 'store-reopen-failed', 'store-recovered']);
});

t.test('a write that fails but is on disk after all is answered as stored', async (t) => {
  await using bench = await open(t);
  const { store, disk } = bench;
  disk.nextWrite('fails-but-stores');
  const call = new Outcome(store.write([put('a', '')]));
  await call.ended;
  t.equal(call.now, 'stored');
  disk.nextWrite('fails');
  const next = new Outcome(store.write([put('b', '')]));
  await next.ended;
  await waitUntil('it takes writes', () => store.status().refusing === undefined);
  t.equal(next.now, 'unavailable');
  t.same(await keys(store), ['a']);
});

t.test('closed while nobody knows what is on disk, a call says so', async (t) => {
  await using bench = await open(t);
  const { store, disk, clock } = bench;
  disk.nextReopensFail(1);
  disk.nextWrite('fails');
  const call = new Outcome(store.write([put('a', '')]));
  await waitUntil('it waits to try again', () => disk.reopened === 1 && clock.timers === 3);
  await store.close();
  await call.ended;
  t.equal(call.now, 'timeout');
  clock.advance(1000);
});

t.test('with too little space writes are refused, reads and deletes go on, and it heals', async (t) => {
  await using bench = await open(t, { freeBytesMin: 100 * MIB });
  const { store, disk, clock, events } = bench;
  await store.write([put('a', ''), put('b', ''), append(1), append(2)]);
  disk.freeBytesNow = 99 * MIB;
  clock.advance(2000);
  await waitUntil('it has noticed', () => store.status().refusing !== undefined);
  t.match(store.status(), { refusing: /nearly full \(99 MiB free, 100 wanted\)/, diskFreeBytes: 99 * MIB });
  for (const write of [put('c', ''), append(3)]) {
    await t.rejects(store.write([write]), { code: 'unavailable', retryAfterMs: 2000 });
  }
  await store.write([remove('a'), { kind: 'prune', log: 'inbox', of: 'alice', through: 1 }]);
  t.same(await keys(store), ['b']);
  t.equal((await store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 10 })).length, 1);
  disk.freeBytesNow = 100 * MIB;
  clock.advance(2000);
  await waitUntil('it has room', () => store.status().refusing === undefined);
  await store.write([put('c', '')]);
  t.same(events, ['disk-nearly-full', 'disk-has-room']);
});

t.test('on a full disk the files are opened anew at once, because that frees what a compaction left', async (t) => {
  await using bench = await open(t);
  const { store, disk, clock } = bench;
  disk.nextWrite('fails');
  disk.freeBytesNow = 0;
  const call = new Outcome(store.write([put('a', '')]));
  await call.ended;
  t.equal(call.now, 'unavailable');
  t.equal(disk.reopened, 1);
  await waitUntil('the failure is over', () => /nearly full/.test(store.status().refusing ?? ''));
  t.same(await keys(store), [], 'reads go on');
  disk.freeBytesNow = 10_000 * MIB;
  clock.advance(2000);
  await waitUntil('it takes writes', () => store.status().refusing === undefined);
});

t.test('free space that can’t be measured stops nothing', async (t) => {
  await using bench = await open(t);
  const { store, disk, clock, events } = bench;
  Object.defineProperty(disk, 'freeBytesNow', {
    get: () => {
      throw new Error('no statfs here');
    },
  });
  clock.advance(2000);
  await waitUntil('it tried', () => events.includes('free-space-unknown'));
  t.equal(store.status().diskFreeBytes, undefined);
  await store.write([append(1)]);
});

t.test('a disk that can’t be read: each read says so, and so does a write that has to read first', async (t) => {
  await using bench = await open(t);
  const { store, disk } = bench;
  await store.write([put('a', 'new', { epoch: 2 }), append(1)]);
  disk.readsFail = true;
  const unreadable = { code: 'unavailable', cause: { message: /bad block/ } };
  await t.rejects(store.read({ kind: 'row', table: 'item', of: 'alice', key: 'a' }), unreadable);
  await t.rejects(store.read({ kind: 'forward', log: 'inbox', of: 'alice', after: 0, limit: 1 }), unreadable);
  await t.rejects(store.owners('item', undefined, 1), unreadable);
  await t.rejects(store.write([{ kind: 'prune', log: 'inbox', of: 'alice', through: 1 }]), unreadable);
  const older = new Outcome(store.write([put('a', 'old', { epoch: 1 })]));
  const behind = new Outcome(store.write([put('b', 'behind', { epoch: 2 })]));
  await Promise.all([older.ended, behind.ended]);
  t.same([older.now, behind.now], ['unavailable', 'unavailable']);
  disk.readsFail = false;
  await waitUntil('it takes writes', () => store.status().refusing === undefined);
  await store.write([put('c', '', { epoch: 2 })]);
  t.same(await keys(store), ['a', 'c']);
});

t.test('reads have a limit at a time, a limit in waiting, and a deadline', async (t) => {
  const clock = new ManualClock();
  const window = new ReadWindow(clock, { readsUnderWayMax: 1, readsWaitingMax: 2, queueDeadlineMs: 1000 });
  let finish = (_text: string): void => {};
  const first = window.run(() => new Promise<string>((resolve) => (finish = resolve)));
  const second = window.run(async () => 'second');
  const third = window.run(async () => 'third');
  await t.rejects(
    window.run(async () => 'fourth'),
    { code: 'unavailable' },
  );
  clock.advance(999);
  window.tick();
  finish('first');
  t.same(await Promise.all([first, second, third]), ['first', 'second', 'third']);
  const hung = window.run(() => new Promise<string>((resolve) => (finish = resolve)));
  const waiting = window.run(async () => 'never');
  clock.advance(1000);
  window.tick();
  await t.rejects(waiting, { code: 'unavailable' });
  finish('late');
  t.equal(await hung, 'late');
});

t.test('where it can’t start it says so in one sentence, and touches nothing', async (t) => {
  const start = async (directory: string): Promise<string> => {
    try {
      await (await openLevelStore({ directory, clock: new ManualClock() })).close();
      return 'started';
    } catch (error) {
      t.equal((error as Error).name, 'StartError');
      t.notMatch((error as Error).message, '\n');
      return (error as Error).message;
    }
  };
  await using bench = await open(t);
  const { directory } = bench;
  t.match(await start(directory), 'is in use by another process.');

  const newer = await temporaryDirectory(t);
  await writeFile(join(newer, 'format'), 'parley store 2\n');
  t.match(await start(newer), 'was written by a newer Parley (format 2; this one reads 1)');
  const foreign = await temporaryDirectory(t);
  await writeFile(join(foreign, 'CURRENT'), 'MANIFEST-000001\n');
  t.match(await start(foreign), "isn't Parley's");
  await writeFile(join(foreign, 'format'), 'png 1.0');
  t.match(await start(foreign), "isn't one that Parley wrote");

  const file = join(await temporaryDirectory(t), 'file');
  await writeFile(file, '');
  t.match(await start(join(file, 'data')), "can't be written");
  t.match(await start(file), "can't be written");

  const damaged = await temporaryDirectory(t);
  t.equal(await start(damaged), 'started');
  await writeFile(join(damaged, 'CURRENT'), 'nonsense');
  t.match(await start(damaged), 'is damaged');
  t.equal(await start(join(await temporaryDirectory(t), 'a', 'new', 'one')), 'started');
});
