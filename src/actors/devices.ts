import { CLOSE } from '../close-codes.ts';
import type { Effect, Moment, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { type ConversationId, isGroup, nameFor } from '../ids.ts';
import { mark } from './acknowledging.ts';
import { answer, errorFrame, push } from './effects.ts';
import { lookForExpired, pull } from './inbox.ts';
import { type Item, newItem } from './item.ts';
import type { MemberCommand, MessengerLimits, SessionCommand } from './messages.ts';
import { arriving, leaving, unwatch } from './presence.ts';
import type { UserEvent } from './user-events.ts';
import { type Session, sameSession, sessionAt, type User } from './user-state.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

const NOTHING: readonly never[] = [];

export function decideConnect(user: User, command: Of<'connect'>, now: Moment, limits: MessengerLimits): Outcome<UserEvent> {
  const events: UserEvent[] = [];
  const effects: Effect[] = [];
  const replaced = user.sessions.find(({ device }) => device === command.device);
  if (replaced === undefined && user.sessions.length >= limits.devicesMax) {
    const message = `at most ${limits.devicesMax} devices of a user may be connected`;
    const close: Effect = { kind: 'close', session: command.session, code: CLOSE.tooManyDevices, reason: 'too many devices' };
    return { events, effects: [answer(command, { type: 'error', code: 'limit', message }), close] };
  }
  if (replaced !== undefined) {
    events.push({ kind: 'disconnected', session: replaced, at: now.wall });
    effects.push({ kind: 'close', session: replaced.address, code: CLOSE.replaced, reason: 'this device connected again' });
    unwatch(user, replaced, effects);
  }
  const session: Session = {
    address: command.session,
    device: command.device,
    by: command.by,
    live: false,
    state: 'online',
    watches: undefined,
  };
  events.push({ kind: 'connected', session });
  const given = command.cursor;
  const tooOld = given !== undefined && given < user.floor;
  const ahead = given !== undefined && given > user.lsn;
  const cursor = given === undefined || tooOld || ahead ? user.lsn : given;
  effects.push(answer(command, { type: 'welcome', user: user.id, device: command.device, cursor, at: now.wall }));
  if (tooOld || ahead) effects.push(answer(command, { type: 'reset', cursor: user.lsn, reason: ahead ? 'ahead' : 'too-old' }));
  arriving(user, [...user.sessions.filter((other) => other !== replaced), session], events, effects);
  return { events, effects };
}

/** Looks, once an hour at most, whether the inbox holds events that are older than it keeps, where it isn't known that it doesn't. */
export function expireEvents(user: User, now: Moment, limits: MessengerLimits, events: UserEvent[], effects: Effect[]): void {
  if (now.steady < user.expireAt) return;
  if (user.oldestAt !== undefined && now.wall - user.oldestAt <= limits.inboxKeepMs) return;
  events.push({ kind: 'expiry-looked-for', nextAt: now.steady + limits.expireEveryMs });
  if (user.reflects > user.floor)
    effects.push({ kind: 'look', look: lookForExpired(user, now.wall - limits.inboxKeepMs), failed: () => NOTHING });
}

/** What was found of it. */
export function decideExpire(user: User, { through, oldestAt }: Extract<MemberCommand, { kind: 'expire' }>): Outcome<UserEvent> {
  const events: UserEvent[] = [{ kind: 'oldest-known', at: oldestAt }];
  if (through > user.floor) events.push({ kind: 'expired', through });
  return { events, effects: NOTHING };
}

export function decideDisconnect(user: User, command: Of<'disconnect'>, now: Moment, limits: MessengerLimits): Outcome<UserEvent> {
  const session = sessionAt(user, command.session);
  if (session === undefined) return { events: NOTHING, effects: NOTHING };
  const events: UserEvent[] = [{ kind: 'disconnected', session, at: now.wall }];
  const effects: Effect[] = [];
  leaving(user, session, now, limits, events, effects);
  return { events, effects };
}

/** A session that isn't at the end of the inbox reads on from the log; at the end it is told events as they come. */
export function decidePull(user: User, command: Of<'pull'>): Outcome<UserEvent> {
  const { after, limit, session: address, tag } = command;
  const session = sessionAt(user, address);
  if (session === undefined) return { events: NOTHING, effects: NOTHING };
  if (after < user.floor) {
    const reset = answer(command, { type: 'reset', cursor: user.lsn, reason: 'too-old' });
    const pulled = answer(command, { type: 'pulled', through: user.lsn, end: true });
    return { events: [{ kind: 'caught-up', session, live: true }], effects: [reset, pulled] };
  }
  if (after >= user.lsn) {
    return {
      events: [{ kind: 'caught-up', session, live: true }],
      effects: [answer(command, { type: 'pulled', through: after, end: true })],
    };
  }
  const events: UserEvent[] = session.live ? [{ kind: 'caught-up', session, live: false }] : [];
  const look: Effect = {
    kind: 'look',
    look: pull(user.id, after, limit, { session: address, tag }),
    failed: (failure) => [answer(command, errorFrame(failure, {}))],
  };
  return { events, effects: [look] };
}

export function decideRead(user: User, command: Of<'read'>): Outcome<UserEvent> {
  const item = readable(user, command.conversation);
  const seq = Math.min(command.seq, item.lastSeq);
  const effects: Effect[] = [];
  const events: UserEvent[] = [];
  if (seq > item.read) {
    events.push({ kind: 'read', conversation: item.id, seq });
    const delivered = Math.max(item.delivered, seq);
    effects.push(mark(user, item.id, delivered, seq));
    const frame = { type: 'receipt', conversation: nameFor(item.id, user.id), user: user.id, delivered, read: seq } as const;
    for (const session of user.sessions) {
      if (!sameSession(session.address, command.session)) effects.push(push(session.address, frame));
    }
  }
  // Said again, it is told again: a crash may have kept the line and lost the host's mark.
  else if (seq > 0 && seq === item.read) effects.push(mark(user, item.id, Math.max(item.delivered, seq), seq));
  if (command.id !== undefined) effects.push(answer(command, { type: 'done', id: command.id }));
  return { events, effects };
}

/** The user's line for a conversation that they may read. A direct one where nobody has written yet is empty (PROTOCOL 3.5.3). */
export function readable(user: User, conversation: ConversationId): Item {
  const item = user.items.get(conversation);
  if (item === undefined) {
    if (isGroup(conversation)) throw new Failure('not-found', 'there is no such conversation for you');
    return newItem(conversation, 1);
  }
  if (item.left) throw new Failure('not-member', 'you are no longer a member of this group');
  return item;
}
