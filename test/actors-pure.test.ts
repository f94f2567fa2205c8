import t from 'tap';
import { refuse } from '../src/actors/effects.ts';
import { emptyHosted } from '../src/actors/hosted.ts';
import type { Bar, MemberCommand, UserCommand } from '../src/actors/messages.ts';
import { decideBarRefused, decideBarred, decideBlock } from '../src/actors/preferences.ts';
import { decideWatchedBy, presenceAlarm } from '../src/actors/presence.ts';
import { userActor } from '../src/actors/user.ts';
import { applyUser, type UserEvent } from '../src/actors/user-events.ts';
import { newUser } from '../src/actors/user-state.ts';
import type { Effect, Moment, Outcome } from '../src/cluster/actor.ts';
import { Failure } from '../src/failure.ts';
import { type ConversationId, conversationNamed, type UserId } from '../src/ids.ts';
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
  const actor = userActor(testLimits);
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
