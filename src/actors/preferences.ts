import type { Effect, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { directId, peerOf } from '../ids.ts';
import { readable } from './devices.ts';
import { answer, errorFrame, tellHost } from './effects.ts';
import type { Bar, MemberCommand, MessengerLimits, SessionCommand } from './messages.ts';
import { reveal } from './presence.ts';
import type { UserEvent } from './user-events.ts';
import type { User } from './user-state.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

const NOTHING: readonly never[] = [];

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
  const changes = (user.blocks?.has(command.user) === true) !== on;
  const asked = { session: command.session, tag: command.tag, id: command.id };
  return {
    events: [{ kind: 'blocked', user: command.user, on }],
    effects: [tellHost({ kind: 'bar', conversation, by: user.id, on, changes, asked })],
  };
}

/** The host has it. Now, with the block in force, the other one may be shown less, or more. */
export function decideBarred(user: User, { conversation, asked }: Bar): Outcome<UserEvent> {
  const effects: Effect[] = [answer(asked, { type: 'done', id: asked.id })];
  const other = peerOf(conversation, user.id);
  if (user.watchers?.has(other)) reveal(user, user.visibility, other, effects);
  return { events: NOTHING, effects };
}

/** The host couldn't take it: nothing has changed, and who asked may ask again. */
export function decideBarRefused(user: User, command: Extract<MemberCommand, { kind: 'bar-refused' }>): Outcome<UserEvent> {
  const { conversation, on, changes, asked } = command.bar;
  const other = peerOf(conversation, user.id);
  const undone = changes && (user.blocks?.has(other) === true) === on;
  return {
    events: undone ? [{ kind: 'blocked', user: other, on: !on }] : NOTHING,
    effects: [answer(asked, errorFrame(command, { id: asked.id }))],
  };
}
