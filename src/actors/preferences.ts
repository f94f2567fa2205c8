import type { Effect, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { type ConversationId, directId } from '../ids.ts';
import { readable } from './devices.ts';
import { answer, errorFrame, tellHost } from './effects.ts';
import type { MemberCommand, MessengerLimits, SessionCommand } from './messages.ts';
import { reveal } from './presence.ts';
import type { UserEvent } from './user-events.ts';
import type { User } from './user-state.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

const NOTHING: readonly never[] = [];
/** `block`s and `unblock`s of one user that may wait for their answers: one a device. */
const WAITERS_MAX = 16;

export function decideMute(user: User, command: Of<'mute'>): Outcome<UserEvent> {
  const item = readable(user, command.conversation);
  return {
    events: [{ kind: 'muted', conversation: item.id, until: command.until }],
    effects: [answer(command, { type: 'done', id: command.id })],
  };
}

export function decideSettings(user: User, command: Of<'settings'>): Outcome<UserEvent> {
  const effects: Effect[] = [];
  reveal(user, command.presence, undefined, effects);
  effects.push(answer(command, { type: 'done', id: command.id }));
  return { events: [{ kind: 'visibility', visibility: command.presence }], effects };
}

/** Kept by the user, for presence, and by the host of the direct conversation, which refuses sends; done when both have it. */
export function decideBlock(user: User, command: Of<'block'> | Of<'unblock'>, limits: MessengerLimits): Outcome<UserEvent> {
  const on = command.kind === 'block';
  if (command.user === user.id) throw new Failure('bad-field', '`user` must be somebody else');
  if (on && !user.blocks?.has(command.user) && (user.blocks?.size ?? 0) >= limits.blocksMax) {
    throw new Failure('limit', `a user blocks at most ${limits.blocksMax} others`);
  }
  const conversation = directId(user.id, command.user);
  if ((user.barring?.get(conversation)?.length ?? 0) >= WAITERS_MAX) {
    throw new Failure('overloaded', 'this was asked too often to be answered yet', { retryAfterMs: 1000 });
  }
  const waiter = { session: command.session, tag: command.tag, id: command.id };
  return {
    events: [
      { kind: 'blocked', user: command.user, on },
      { kind: 'barring', conversation, waiter },
    ],
    effects: [tellHost({ kind: 'bar', conversation, by: user.id, on })],
  };
}

/** The host has it. Now, with the block in force, the other one may be shown less, or more. */
export function decideBarred(user: User, conversation: ConversationId): Outcome<UserEvent> {
  const waiters = user.barring?.get(conversation);
  if (waiters === undefined) return { events: NOTHING, effects: NOTHING };
  const effects: Effect[] = waiters.map((waiter) => answer(waiter, { type: 'done', id: waiter.id }));
  for (const watcher of user.watchers?.keys() ?? NOTHING)
    if (directId(user.id, watcher) === conversation) reveal(user, user.visibility, watcher, effects);
  return { events: [{ kind: 'barring', conversation, waiter: undefined }], effects };
}

/** The host couldn't take it: who waits is told, and may ask again. */
export function decideBarRefused(user: User, command: Extract<MemberCommand, { kind: 'bar-refused' }>): Outcome<UserEvent> {
  const waiters = user.barring?.get(command.conversation);
  if (waiters === undefined) return { events: NOTHING, effects: NOTHING };
  const effects = waiters.map((waiter) => answer(waiter, errorFrame(command, { id: waiter.id })));
  return { events: [{ kind: 'barring', conversation: command.conversation, waiter: undefined }], effects };
}
