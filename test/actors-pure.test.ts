import t from 'tap';
import { answerTo, deriveAnswered, emptyAnswered, lookFor, readFilters, remember, segmentCount } from '../src/actors/answered.ts';
import { ClientIdFilters, segmentIds } from '../src/actors/client-id-filter.ts';
import { refuse } from '../src/actors/effects.ts';
import { pack, unpack } from '../src/actors/entry.ts';
import { emptyHosted } from '../src/actors/hosted.ts';
import { deriveHosted, restoreHosted } from '../src/actors/hosted-rows.ts';
import type { Bar, MemberCommand, UserCommand } from '../src/actors/messages.ts';
import { decideBarRefused, decideBarred, decideBlock } from '../src/actors/preferences.ts';
import { decideWatchedBy, presenceAlarm } from '../src/actors/presence.ts';
import { userActor } from '../src/actors/user.ts';
import { applyUser, type UserEvent } from '../src/actors/user-events.ts';
import { newUser } from '../src/actors/user-state.ts';
import type { Effect, Moment, Outcome, Reading } from '../src/cluster/actor.ts';
import { perform } from '../src/cluster/reading.ts';
import { Failure } from '../src/failure.ts';
import { type ClientId, type ConversationId, conversationNamed, type UserId } from '../src/ids.ts';
import { openMemoryStore } from '../src/storage/memory.ts';
import type { Read, Row } from '../src/storage/store.ts';
import { ManualClock } from './support/manual-clock.ts';
import { testLimits } from './support/world.ts';

t.test('watchers that were lost without a word are forgotten after three silences; the others are kept', async (t) => {
  const bob = newUser('bob' as UserId);
  const at = (steady: number): Moment => ({ wall: 0, steady });
  const take = (outcome: Outcome<UserEvent>): void => {
    for (const event of outcome.events) applyUser(bob, event, testLimits);
  };
  const alarm = (steady: number): void => {
    const events: UserEvent[] = [];
    presenceAlarm(bob, at(steady), testLimits, events, []);
    take({ events, effects: [] });
  };
  const { resubscribeMs } = testLimits;
  for (const watcher of ['lost', 'alive']) take(decideWatchedBy(bob, watcher as UserId, at(0), testLimits));
  for (let round = 1; round <= 3; round++) {
    take(decideWatchedBy(bob, 'alive' as UserId, at(round * resubscribeMs), testLimits));
    alarm(round * resubscribeMs);
    t.same([...(bob.watchers?.keys() ?? [])], ['lost', 'alive']);
  }
  alarm(4 * resubscribeMs);
  t.same([...(bob.watchers?.keys() ?? [])], ['alive']);
  alarm(7 * resubscribeMs);
  t.equal(bob.watchers, undefined, 'who stops later is forgotten later');
});

t.test('a block that the host of the conversation can’t take is answered, and can be asked again', async (t) => {
  const bob = newUser('bob' as UserId);
  const ask = { kind: 'block', user: 'eve' as UserId, id: 'b', session: { node: 'n1', id: 1 }, tag: 7 } as const;
  const take = (outcome: Outcome<UserEvent>): readonly Effect[] => {
    for (const event of outcome.events) applyUser(bob, event, testLimits);
    return outcome.effects;
  };
  const [bar] = take(decideBlock(bob, ask, testLimits));
  if (bar?.kind !== 'tell') throw new Error('the host is told');
  const [refused] = refuse(bar.command as UserCommand, new Failure('overloaded', 'too much', { retryAfterMs: 10 }));
  if (refused?.kind !== 'tell') throw new Error('the user is told');
  const answers = take(decideBarRefused(bob, refused.command as Extract<MemberCommand, { kind: 'bar-refused' }>));
  t.match(answers, [{ kind: 'emit', tag: 7, frame: { type: 'error', code: 'overloaded', id: 'b', retryAfterMs: 10 } }]);
  t.equal(bob.blocks?.has('eve' as UserId), false, 'as if it had never been asked');

  // Asked twice: the second is refused, and the first holds.
  const [first] = take(decideBlock(bob, ask, testLimits));
  const [second] = take(decideBlock(bob, { ...ask, id: 'b2', tag: 8 }, testLimits));
  if (first?.kind !== 'tell' || second?.kind !== 'tell') throw new Error('the host is told');
  const [again] = refuse(second.command as UserCommand, new Failure('overloaded', 'too much'));
  if (again?.kind !== 'tell') throw new Error('the user is told');
  t.match(take(decideBarRefused(bob, again.command as Extract<MemberCommand, { kind: 'bar-refused' }>)), [{ tag: 8, frame: { id: 'b2' } }]);
  t.equal(bob.blocks?.has('eve' as UserId), true);
  t.match(take(decideBarred(bob, first.command as Bar & { kind: 'bar' })), [{ tag: 7, frame: { type: 'done', id: 'b' } }]);
});

t.test('conversations that an active user hosts are unloaded when they aren’t needed, and read again when they are', async (t) => {
  const alice = newUser('alice' as UserId);
  const actor = userActor(testLimits, { ordered: true });
  const hosted = emptyHosted(conversationNamed('@bob', alice.id) as ConversationId);
  alice.hosted = new Map([[hosted.id, hosted]]);
  for (let i = 0; i < 12; i++) actor.tidy(alice);
  t.equal(alice.hosted.size, 1);
  hosted.changed = true;
  actor.tidy(alice);
  t.equal(alice.hosted.size, 1, 'what isn’t in rows yet stays');
  hosted.changed = false;
  actor.tidy(alice);
  t.equal(alice.hosted.size, 0);
});

t.test('a host row of old has a row for each of its two members beside it', (t) => {
  const row = (key: string, value: unknown): Row => ({ key, epoch: 1, payload: pack(value), first: 0, last: 0 });
  const reading = restoreHosted('alice:bob' as ConversationId);
  t.match(reading.next().value, [{ kind: 'row', table: 'host' }]);
  const members = reading.next([[row('', [1, '', 7, 7, 5, [], false])]]);
  t.match(members.value, [{ kind: 'rows', table: 'member' }]);
  const bob = ['member', 1, null, 6, 5, 4, true, null];
  const done = reading.next([[row('alice', ['member', 1, null, 3, 2, 1, false, null]), row('bob', bob)]]);
  t.equal(done.done, true);
  if (!done.done) return;
  const { members: both, lastSeq } = done.value;
  t.equal(lastSeq, 7);
  t.match(both.get('alice' as UserId), { delivered: 3, read: 2, confirmed: 7, lagging: false });
  t.match(both.get('bob' as UserId), { delivered: 6, read: 5, confirmed: 4, lagging: true });
  const [put] = deriveHosted(done.value, 1, true);
  if (put?.kind !== 'put') throw new Error('it is written');
  const again = restoreHosted('alice:bob' as ConversationId);
  again.next();
  const back = again.next([[row('', unpack(put.payload))]]);
  t.equal(back.done, true, 'the row of now needs no other');
  if (back.done) t.same(back.value.members, both);
  t.end();
});

t.test('an id that was looked for in vain, and stored since, is looked for again once it has left the memory', async (t) => {
  const answered = emptyAnswered();
  const bob = 'bob' as UserId;
  const one = 'one' as ClientId;
  const answer = (clientId: ClientId, seq: number) =>
    ({ clientId, conversation: '#g' as ConversationId, kind: 'message', seq, lsn: seq, at: 0 }) as const;
  answered.filters = new ClientIdFilters(1);
  answered.filters.restore(0, new Uint8Array(256).fill(255));
  const search = lookFor(answered, bob, one);
  search?.next();
  t.equal(search?.next([[]]).done, true, 'it is in no row');
  t.equal(lookFor(answered, bob, one), undefined, 'and that is known');
  for (let seq = 1; seq <= 200; seq++) remember(answered, { ...answer(seq === 1 ? one : (`other ${seq}` as ClientId), seq) });
  deriveAnswered(answered, bob, 1, false);
  t.equal(answerTo(answered, one), undefined);
  t.not(lookFor(answered, bob, one), undefined);
});

t.test('a filter row of another layout is made anew from the ids, and then written', async (t) => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const alice = 'alice' as UserId;
  const id = (seq: number): ClientId => `c${seq}` as ClientId;
  let answered = emptyAnswered();
  const restart = (): Reading<void> => {
    answered = { ...emptyAnswered(), unread: segmentCount(answered), writtenThrough: answered.writtenThrough };
    return readFilters(answered, alice) as Reading<void>;
  };
  for (let seq = 1; seq <= 40; seq++) {
    const conversation = 'alice:bob' as ConversationId;
    remember(answered, { clientId: id(seq), conversation, kind: 'message', seq, lsn: seq, at: 0 });
  }
  await store.write(deriveAnswered(answered, alice, 1, true));
  for (const old of [
    [40, new Uint8Array(160)],
    [40, new Uint8Array(256), 40],
  ]) {
    await store.write([{ kind: 'put', table: 'filter', of: alice, key: '00000000', epoch: 1, payload: pack(old) }]);
    await perform(store, restart());
    t.equal(answered.lastCount, 40);
    for (let seq = 1; seq <= 40; seq++) t.not(lookFor(answered, alice, id(seq)), undefined, `${seq} may be in a row`);
  }
  await store.write(deriveAnswered(answered, alice, 1, true));
  const reading = restart();
  reading.next();
  const row = await store.read({ kind: 'row', table: 'filter', of: alice, key: '00000000' });
  t.equal(reading.next([row]).done, true, 'the row of now says all');
});

t.test('a filter row that lags behind the ids is completed from their rows (acked-is-stored)', async (t) => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const alice = 'alice' as UserId;
  const conversation = 'alice:bob' as ConversationId;
  let answered = emptyAnswered();
  for (const [from, to] of [
    [1, 40],
    [41, 60],
  ] as const) {
    for (let seq = from; seq <= to; seq++) {
      remember(answered, { clientId: `c${seq}` as ClientId, conversation, kind: 'message', seq, lsn: seq, at: 0 });
    }
    await store.write(deriveAnswered(answered, alice, 1, to === 40));
    answered = { ...emptyAnswered(), unread: segmentCount(answered), writtenThrough: answered.writtenThrough };
    await perform(store, readFilters(answered, alice) as Reading<void>);
  }
  for (const seq of [1, 40, 41, 60]) {
    await perform(store, lookFor(answered, alice, `c${seq}` as ClientId) as Reading<void>);
    t.equal(answerTo(answered, `c${seq}` as ClientId)?.seq, seq);
  }
});

t.test('full segments whose filter rows are of another layout are read once more only', async (t) => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const alice = 'alice' as UserId;
  let answered = emptyAnswered();
  const add = (seq: number): void => {
    const conversation = 'alice:bob' as ConversationId;
    remember(answered, { clientId: `c${seq}` as ClientId, conversation, kind: 'message', seq, lsn: seq, at: 0 });
  };
  const restart = async (): Promise<number> => {
    answered = { ...emptyAnswered(), unread: segmentCount(answered), writtenThrough: answered.writtenThrough };
    let reads = 0;
    const read = (asked: Read): ReturnType<typeof store.read> => {
      reads += 1;
      return store.read(asked);
    };
    await perform({ ...store, read }, readFilters(answered, alice) as Reading<void>);
    return reads;
  };
  for (let seq = 1; seq <= 400; seq++) add(seq);
  await store.write(deriveAnswered(answered, alice, 1, true));
  for (const key of ['00000000', '00000001', '00000002']) {
    await store.write([{ kind: 'put', table: 'filter', of: alice, key, epoch: 1, payload: pack([1, new Uint8Array(8), 400]) }]);
  }
  t.ok((await restart()) > 3, 'the ids are read');
  add(401);
  await store.write(deriveAnswered(answered, alice, 1, true));
  t.equal(await restart(), 3, 'and then the filters alone');
  for (const seq of [1, 100, 401]) {
    await perform(store, lookFor(answered, alice, `c${seq}` as ClientId) as Reading<void>);
    t.equal(answerTo(answered, `c${seq}` as ClientId)?.seq, seq);
  }
});

t.test('filters say of few ids that they may hold them, and of none that they hold that they don’t', (t) => {
  const filters = new ClientIdFilters();
  for (let segment = 0; segment < 5; segment++) {
    filters.begin();
    for (let i = 0; i < segmentIds(segment); i++) filters.add(segment, `own-${segment}-${i}`);
  }
  for (let segment = 0; segment < 5; segment++) {
    const missed = Array.from({ length: segmentIds(segment) }, (_, i) => `own-${segment}-${i}`).filter(
      (id) => filters.holding(id)?.includes(segment) !== true,
    );
    t.same(missed, []);
  }
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) wrong += filters.holding(`other-${i}`)?.length ?? 0;
  t.ok(wrong < 50, `${wrong} of 500,000`);
  t.end();
});

t.test('ids of several segments written at once, and of one that has no row yet when the node dies, are found', async (t) => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const alice = 'alice' as UserId;
  const conversation = 'alice:bob' as ConversationId;
  const id = (seq: number): ClientId => `c${seq}` as ClientId;
  const read = async (reading: Reading<void> | undefined): Promise<void> => {
    if (reading !== undefined) await perform(store, reading);
  };
  let answered = emptyAnswered();
  let seq = 0;
  const addUpTo = (last: number): void => {
    while (++seq <= last) remember(answered, { clientId: id(seq), conversation, kind: 'message', seq, lsn: seq, at: 0 });
    seq = last;
  };
  const restart = async (): Promise<void> => {
    answered = { ...emptyAnswered(), unread: segmentCount(answered), writtenThrough: answered.writtenThrough };
    await read(readFilters(answered, alice));
  };
  const finds = async (last: number): Promise<void> => {
    const found: number[] = [];
    for (let seq = 1; seq <= last + 50; seq++) {
      await read(lookFor(answered, alice, id(seq)));
      if (answerTo(answered, id(seq))?.seq === seq) found.push(seq);
    }
    t.same(
      found,
      Array.from({ length: last }, (_, i) => i + 1),
    );
  };
  addUpTo(400);
  await finds(400);
  await store.write(deriveAnswered(answered, alice, 1, false));
  await finds(400);
  t.equal(segmentCount(answered), 3, 'of 64, 256 and up to 1,024 ids');
  await restart();
  await finds(400);
  addUpTo(64 + 256 + 1024);
  await store.write(deriveAnswered(answered, alice, 1, false));
  addUpTo(64 + 256 + 1024 + 1);
  t.equal(segmentCount(answered), 3, 'the fourth has no row yet');
  await restart();
  await finds(64 + 256 + 1024);
});

t.test('ids that are remembered before the filters are read get into them when they are', async (t) => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const alice = 'alice' as UserId;
  const answered = { ...emptyAnswered(), unread: 1 };
  for (let seq = 1; seq <= 100; seq++) {
    const clientId = `c${seq}` as ClientId;
    remember(answered, { clientId, conversation: '#g' as ConversationId, kind: 'message', seq, lsn: seq, at: 0 });
  }
  await perform(store, readFilters(answered, alice) as Reading<void>);
  t.equal(lookFor(answered, alice, 'c1' as ClientId), undefined);
  t.equal(answerTo(answered, 'c1' as ClientId)?.seq, 1);
  const keys = deriveAnswered(answered, alice, 1, false).map((write) => write.kind === 'put' && write.key.slice(0, 8));
  t.same(keys, ['00000000', '00000000', '00000001'], 'a full segment with its filter, and the next');
});
