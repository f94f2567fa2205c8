import type { Effect, Outcome } from '../cluster/actor.ts';
import { isGroup, nameFor, peerOf, type UserId } from '../ids.ts';
import { hosts } from './addresses.ts';
import { push, tellHost } from './effects.ts';
import { batchOf, type Entry } from './entry.ts';
import type { NewRun } from './inbox.ts';
import type { MemberCommand } from './messages.ts';
import { reveal } from './presence.ts';
import { answers } from './submit.ts';
import type { UserEvent } from './user-events.ts';
import type { User } from './user-state.ts';

const NOTHING: readonly never[] = [];

/** Entries from a conversation's host: what is new becomes events; the host is told how far this member has everything. */
export function decideDeliver(user: User, command: Extract<MemberCommand, { kind: 'deliver' }>): Outcome<UserEvent> {
  const { batch, previous, summary } = command;
  const { conversation, entries } = batch;
  const item = user.items.get(conversation);
  const known = item?.lastSeq ?? 0;
  const first = (entries[0] as Entry).seq;
  const last = first + entries.length - 1;
  const self = hosts(user.id, conversation);
  if (last <= known) return { events: NOTHING, effects: [confirm(user.id, command, known, self)] };
  const starts = previous === 0 && first > known;
  if (!starts && first > known + 1) {
    return { events: NOTHING, effects: [tellHost({ kind: 'missing', conversation, user: user.id, after: known })] };
  }
  const unseen = first > known ? batch : batchOf(conversation, entries.slice(known + 1 - first));
  const own = submissionsOf(user, unseen.entries);
  const received: UserEvent = {
    kind: 'received',
    batch: unseen,
    firstLsn: user.lsn + 1,
    starts,
    // A group's line can't be rebuilt from a log that begins in the middle, so its first run carries it.
    summary: starts ? summary : undefined,
    own,
  };
  const events: UserEvent[] = [received];
  const effects: Effect[] = [confirm(user.id, command, last, self)];
  if (
    user.visibility === 'contacts' &&
    !isGroup(conversation) &&
    item?.wrote !== true &&
    unseen.entries.some(({ from }) => from === user.id)
  ) {
    // Who is written to becomes a contact, and sees at once what contacts see.
    reveal(user, 'everyone', peerOf(conversation, user.id), effects);
  }
  if (own !== undefined) settleEarly(user, unseen.entries, own, events, effects);
  return { events, effects };
}

/** Within one actor nothing is gained by waiting: what follows from a confirmation is held until all is stored. */
function confirm(
  user: UserId,
  { batch: { conversation } }: Extract<MemberCommand, { kind: 'deliver' }>,
  seq: number,
  self: boolean,
): Effect {
  return tellHost({ kind: 'confirm', conversation, user, seq }, self ? 'ordered' : 'stored');
}

/** For each entry, the submission of this user that it came from; undefined where nothing of theirs waits. */
function submissionsOf({ id, pending }: User, entries: readonly Entry[]): NewRun['own'] {
  if (pending === undefined || pending.size === 0) return undefined;
  return entries.map(({ from, clientId }) => (from === id ? pending.get(clientId) : undefined));
}

/** Own entries that all others are known to have already are answered with their event. */
function settleEarly(user: User, entries: readonly Entry[], own: NonNullable<NewRun['own']>, events: UserEvent[], effects: Effect[]): void {
  entries.forEach((entry, index) => {
    const pending = own[index];
    if (pending === undefined || !pending.settled) return;
    const { seq, at, kind } = entry;
    const answer = { conversation: pending.conversation, kind, seq, lsn: user.lsn + 1 + index, at };
    // They are added to these.
    answers(user.id, entry.clientId, pending, answer, effects);
    events.push({ kind: 'answered', clientId: entry.clientId });
  });
}

export function decideReceipt(user: User, command: Extract<MemberCommand, { kind: 'receipt' }>): Outcome<UserEvent> {
  const { conversation, delivered, read } = command;
  const frame = { type: 'receipt', conversation: nameFor(conversation, user.id), user: command.user, delivered, read } as const;
  const events: UserEvent[] = isGroup(conversation) ? [] : [{ kind: 'peer-marked', conversation, delivered, read }];
  return { events, effects: user.sessions.map(({ address }) => push(address, frame)) };
}

export function decideTypingBy(user: User, command: Extract<MemberCommand, { kind: 'typing-by' }>): Outcome<UserEvent> {
  const frame = { type: 'typing', conversation: nameFor(command.conversation, user.id), user: command.user } as const;
  return { events: NOTHING, effects: user.sessions.map(({ address }) => push(address, frame)) };
}
