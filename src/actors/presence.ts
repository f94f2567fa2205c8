import type { Effect, Moment, Outcome, SessionAddress } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { directId, type UserId } from '../ids.ts';
import { userAddress } from './addresses.ts';
import { alarm, answer, push, tellMember } from './effects.ts';
import type { MemberCommand, MessengerLimits, PresenceState, SessionCommand, Visibility } from './messages.ts';
import type { UserEvent } from './user-events.ts';
import { type Session, sameSession, sessionAt, type User } from './user-state.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

const NOTHING: readonly never[] = [];

const tell = (to: UserId, command: MemberCommand): Effect => tellMember(userAddress(to), command);

/** The best of a user's devices. */
export function stateOf(sessions: readonly Session[]): PresenceState {
  if (sessions.length === 0) return 'offline';
  return sessions.some(({ state }) => state === 'online') ? 'online' : 'away';
}

/** What `watcher` may know of the user. */
function shownTo(
  user: User,
  watcher: UserId,
  state: PresenceState,
  lastSeen: number | undefined,
  visibility: Visibility = user.visibility,
): MemberCommand {
  const hidden =
    user.blocks?.has(watcher) ||
    (watcher !== user.id && visibility === 'nobody') ||
    (watcher !== user.id && visibility === 'contacts' && user.items.get(directId(user.id, watcher))?.wrote !== true);
  if (hidden) return { kind: 'presence-of', user: user.id, state: 'offline', lastSeen: undefined };
  return { kind: 'presence-of', user: user.id, state, lastSeen: state === 'online' ? undefined : lastSeen };
}

function announce(user: User, state: PresenceState, lastSeen: number | undefined, effects: Effect[]): void {
  for (const watcher of user.watchers?.keys() ?? NOTHING) effects.push(tell(watcher, shownTo(user, watcher, state, lastSeen)));
}

/** Tells all watchers, or one, what they may see now; after a change of settings. */
export function reveal(user: User, visibility: Visibility, only: UserId | undefined, effects: Effect[]): void {
  for (const watcher of user.watchers?.keys() ?? NOTHING) {
    if (only === undefined || only === watcher)
      effects.push(tell(watcher, shownTo(user, watcher, user.announced, user.lastSeen, visibility)));
  }
}

/** A device came, or changed its state. */
export function arriving(user: User, sessions: readonly Session[], events: UserEvent[], effects: Effect[]): void {
  const state = stateOf(sessions);
  if (state === user.announced && user.offlineAt === undefined) return;
  events.push({ kind: 'announced', state });
  if (state !== user.announced) announce(user, state, user.lastSeen, effects);
}

/** Whom a device watched that no other device of the user does: they are told so. */
export function unwatch(user: User, session: Session, effects: Effect[]): void {
  for (const watched of session.watches ?? NOTHING) {
    if (user.watching?.get(watched)?.watchers === 1) effects.push(tell(watched, { kind: 'unwatched-by', user: user.id }));
  }
}

/** A device went: the user is said to be offline only after a grace, since most come back at once. */
export function leaving(user: User, gone: Session, now: Moment, limits: MessengerLimits, events: UserEvent[], effects: Effect[]): void {
  unwatch(user, gone, effects);
  const rest = user.sessions.filter((session) => session !== gone);
  if (rest.length > 0) {
    arriving(user, rest, events, effects);
    return;
  }
  events.push({ kind: 'offline-due', at: now.steady + limits.offlineGraceMs, lastSeen: now.wall });
  effects.push(alarm(limits.offlineGraceMs));
}

export function presenceAlarm(user: User, { steady }: Moment, limits: MessengerLimits, events: UserEvent[], effects: Effect[]): void {
  if (user.offlineAt !== undefined && user.sessions.length === 0) {
    if (steady >= user.offlineAt) {
      events.push({ kind: 'announced', state: 'offline' });
      announce(user, 'offline', user.lastSeen, effects);
    } else effects.push(alarm(user.offlineAt - steady));
  }
  if (user.watching !== undefined) {
    if (steady >= user.resubscribeAt) {
      events.push({ kind: 'resubscribed', nextAt: steady + limits.resubscribeMs });
      for (const watched of user.watching.keys()) effects.push(tell(watched, { kind: 'watched-by', user: user.id }));
      effects.push(alarm(limits.resubscribeMs));
    } else effects.push(alarm(user.resubscribeAt - steady));
  }
  if (user.watchers !== undefined) forgetWatchers(user, user.watchers, steady, limits, events, effects);
}

/** Forgets watchers that were lost without a word. */
function forgetWatchers(
  user: User,
  watchers: ReadonlyMap<UserId, number>,
  steady: number,
  { resubscribeMs, watchSilencesMax }: MessengerLimits,
  events: UserEvent[],
  effects: Effect[],
): void {
  if (steady >= user.watchersDue) {
    const gone: UserId[] = [];
    for (const [watcher, heardAt] of watchers) if (steady - heardAt > watchSilencesMax * resubscribeMs) gone.push(watcher);
    events.push({ kind: 'unwatched', by: gone }, { kind: 'watchers-due', at: steady + resubscribeMs });
    if (gone.length < watchers.size) effects.push(alarm(resubscribeMs));
  } else effects.push(alarm(user.watchersDue - steady));
}

export function decidePresence(user: User, command: Of<'presence'>): Outcome<UserEvent> {
  const session = sessionAt(user, command.session) ?? user.sessions.find(({ device }) => device === command.device);
  const events: UserEvent[] = [];
  const effects: Effect[] = [];
  if (session !== undefined && session.state !== command.state) {
    events.push({ kind: 'device-state', session, state: command.state });
    const after = user.sessions.map((other) => (other === session ? { ...other, state: command.state } : other));
    arriving(user, after, events, effects);
  }
  if (command.id !== undefined) effects.push(answer(command, { type: 'done', id: command.id }));
  return { events, effects };
}

export function decideWatch(user: User, command: Of<'watch'>, { steady }: Moment, limits: MessengerLimits): Outcome<UserEvent> {
  const users = [...new Set(command.users)];
  const session = sessionAt(user, command.session);
  const events: UserEvent[] = [
    { kind: 'awaiting-presence', awaited: { session: command.session, tag: command.tag, id: command.id, users: new Set(users) } },
  ];
  const effects: Effect[] = [];
  if (session !== undefined) {
    const added = users.filter((other) => !session.watches?.has(other)).length;
    if ((session.watches?.size ?? 0) + added > limits.watchMax)
      throw new Failure('limit', `a device watches at most ${limits.watchMax} users`);
    events.push({ kind: 'watching', session, users, on: true });
    if (user.watching === undefined) {
      events.push({ kind: 'resubscribed', nextAt: steady + limits.resubscribeMs });
      effects.push(alarm(limits.resubscribeMs));
    }
  }
  if (users.length === 0)
    return { events: NOTHING, effects: command.id === undefined ? NOTHING : [answer(command, { type: 'done', id: command.id })] };
  for (const watched of users) effects.push(tell(watched, { kind: 'watched-by', user: user.id }));
  return { events, effects };
}

export function decideUnwatch(user: User, command: Of<'unwatch'>): Outcome<UserEvent> {
  const session = sessionAt(user, command.session);
  const events: UserEvent[] = [];
  const effects: Effect[] = [];
  if (session !== undefined) {
    for (const watched of new Set(command.users)) {
      if (session.watches?.has(watched) && user.watching?.get(watched)?.watchers === 1)
        effects.push(tell(watched, { kind: 'unwatched-by', user: user.id }));
    }
    events.push({ kind: 'watching', session, users: command.users, on: false });
  }
  if (command.id !== undefined) effects.push(answer(command, { type: 'done', id: command.id }));
  return { events, effects };
}

/** To the watched one: it answers every time, so that whoever asks again after a loss is answered. */
export function decideWatchedBy(user: User, watcher: UserId, { steady }: Moment, limits: MessengerLimits): Outcome<UserEvent> {
  const full = (user.watchers?.size ?? 0) >= limits.watchersMax && user.watchers?.has(watcher) !== true;
  const effects = [tell(watcher, shownTo(user, watcher, user.announced, user.lastSeen))];
  if (full) return { events: NOTHING, effects };
  const events: UserEvent[] = [{ kind: 'watched', by: watcher, heardAt: steady }];
  if (user.watchers === undefined) {
    events.push({ kind: 'watchers-due', at: steady + limits.resubscribeMs });
    effects.push(alarm(limits.resubscribeMs));
  }
  return { events, effects };
}

export const decideUnwatchedBy = (user: User, watcher: UserId): Outcome<UserEvent> => ({
  events: user.watchers?.has(watcher) ? [{ kind: 'unwatched', by: [watcher] }] : NOTHING,
  effects: NOTHING,
});

/** To the watcher: its devices are told what changed, and those that asked, what they asked for. */
export function decidePresenceOf(user: User, command: Extract<MemberCommand, { kind: 'presence-of' }>): Outcome<UserEvent> {
  const { user: other, state, lastSeen } = command;
  const frame = { type: 'presence', user: other, state, ...(lastSeen === undefined ? {} : { lastSeen }) } as const;
  const watched = user.watching?.get(other);
  const changed = watched !== undefined && (watched.state !== state || watched.lastSeen !== lastSeen);
  const effects: Effect[] = [];
  // Nobody here watches any longer: say so again, in case it was lost.
  if (watched === undefined && user.awaited === undefined)
    return { events: NOTHING, effects: [tell(other, { kind: 'unwatched-by', user: user.id })] };
  const told: SessionAddress[] = [];
  for (const awaited of user.awaited ?? []) {
    if (!awaited.users.has(other)) continue;
    effects.push(answer(awaited, frame));
    told.push(awaited.session);
    if (awaited.users.size === 1 && awaited.id !== undefined) effects.push(answer(awaited, { type: 'done', id: awaited.id }));
  }
  if (changed) {
    for (const session of user.sessions) {
      if (session.watches?.has(other) && !told.some((address) => sameSession(address, session.address)))
        effects.push(push(session.address, frame));
    }
  }
  return { events: [{ kind: 'presence-known', user: other, state, lastSeen }], effects };
}
