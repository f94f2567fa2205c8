import { createHmac } from 'node:crypto';
import { appended } from '../appended.ts';
import type { Effect, Moment, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { type ClientId, type ConversationId, type GroupId, groupConversation, nameFor, type UserId } from '../ids.ts';
import { SmallMap } from '../small-map.ts';
import { answerTo } from './answered.ts';
import { alarm, answer, errorFrame, tellHost } from './effects.ts';
import type { Answer, Asked, MemberCommand, MessengerLimits, SentFrame, SessionCommand, UserActorSettings } from './messages.ts';
import type { UserEvent } from './user-events.ts';
import type { Pending, User } from './user-state.ts';

type Submit = Extract<SessionCommand, { kind: 'submit' }>;

const NOTHING: readonly never[] = [];
/** What `newGroup` gives, whatever the secret was. */
const PICKED = /^#[\w-]{16}$/;
/** Resends of one submission that may wait for its answer: one a device, and then some. */
const WAITERS_MAX = 64;

/** Everything that adds an entry is told to the host, or, where its client id was answered before, only asked whether every member has it. */
export function decideSubmit(user: User, command: Submit, { steady }: Moment, limits: UserActorSettings): Outcome<UserEvent> {
  const { clientId, operation } = command;
  const waiter: Asked = { session: command.session, tag: command.tag };
  const answered = answerTo(user.answered, clientId);
  const pending = user.pending?.get(clientId);
  const earlier = pending ?? answered;
  const picked = earlier !== undefined && PICKED.test(earlier.conversation) ? earlier.conversation : undefined;
  const conversation = command.conversation ?? picked ?? newGroup(limits.groupIdSecret, user.id, clientId);
  if (earlier !== undefined && (earlier.conversation !== conversation || earlier.kind !== operation.kind)) {
    throw new Failure('conflict', 'this client id was used for something else; choose a new one');
  }
  const from = user.id;
  const post =
    answered === undefined
      ? tellHost({ kind: 'post', conversation, from, clientId, operation }, 'ordered')
      : tellHost({ kind: 'ask-settled', conversation, from, clientId, seq: answered.seq, at: answered.at }, 'ordered');
  if (pending !== undefined) {
    if (pending.waiters.length >= WAITERS_MAX)
      throw new Failure('overloaded', 'this was resent too often to be answered yet', { retryAfterMs: 1000 });
    const effects = pending.perhapsLost || steady - pending.since > limits.askAgainMs ? [post] : NOTHING;
    return { events: [{ kind: 'joined-in', pending, waiter }], effects };
  }
  if ((user.pending?.size ?? 0) >= limits.unsettledPerUserMax) {
    throw new Failure('overloaded', `at most ${limits.unsettledPerUserMax} of your sends may be under way`, { retryAfterMs: 1000 });
  }
  const submitted: UserEvent = {
    kind: 'submitted',
    clientId,
    pending: {
      conversation,
      kind: operation.kind,
      since: steady,
      waiters: [waiter],
      repeated: answered !== undefined,
      settled: false,
      perhapsLost: false,
      answer: answered,
    },
  };
  const first = user.pending === undefined || user.pending.size === 0;
  return { events: [submitted], effects: first ? [post, alarm(limits.pendingKeptMs)] : [post] };
}

/** The same for every resend, so that a resend of a `group.create` whose answer was lost finds its group. */
const newGroup = (secret: string, user: UserId, clientId: ClientId): ConversationId =>
  groupConversation(createHmac('sha256', secret).update(`group ${user} ${clientId}`).digest('base64url').slice(0, 16) as GroupId);

export function decideSettled(user: User, command: Extract<MemberCommand, { kind: 'settled' }>): Outcome<UserEvent> {
  let events: UserEvent[] | undefined;
  let effects: Effect[] | undefined;
  for (const { clientId } of command.entries) {
    const pending = user.pending?.get(clientId);
    if (pending === undefined) continue;
    const given = pending.answer ?? answerTo(user.answered, clientId);
    if (given !== undefined) {
      effects = answers(user.id, clientId, pending, given, effects);
      events = appended(events, { kind: 'answered', clientId });
    } else {
      // The entry itself is still on its way here.
      events = appended(events, { kind: 'pending-settled', pending });
    }
  }
  return { events: events ?? NOTHING, effects: effects ?? NOTHING };
}

/** Adds to `effects` a `sent` for everyone who waits: the first as such, the others as duplicates. */
export function answers(
  user: UserId,
  clientId: ClientId,
  pending: Pending,
  given: Answer,
  effects: Effect[] | undefined,
): Effect[] | undefined {
  let all = effects;
  let duplicate = pending.repeated;
  for (const waiter of pending.waiters) {
    all = appended(all, answer(waiter, sentFrame(user, clientId, given, duplicate)));
    duplicate = true;
  }
  return all;
}

function sentFrame(user: UserId, clientId: ClientId, given: Answer, duplicate: boolean): SentFrame {
  const conversation = nameFor(given.conversation, user);
  const { seq, lsn, at } = given;
  return duplicate
    ? { type: 'sent', clientId, conversation, seq, lsn, at, duplicate }
    : { type: 'sent', clientId, conversation, seq, lsn, at };
}

export function decideRefused(user: User, command: Extract<MemberCommand, { kind: 'refused' }>): Outcome<UserEvent> {
  const { clientId } = command;
  const pending = user.pending?.get(clientId);
  if (pending === undefined) return { events: NOTHING, effects: NOTHING };
  const frame = errorFrame(command, { clientId });
  return { events: [{ kind: 'answered', clientId }], effects: pending.waiters.map((waiter) => answer(waiter, frame)) };
}

/** Submissions whose requests may have been lost: a resend asks their hosts again at once. Those whose entries are stored keep their answers. */
export function askedAgain(pending: SmallMap<ClientId, Pending>, { lsn }: User): SmallMap<ClientId, Pending> {
  const again = new SmallMap<ClientId, Pending>();
  for (const [clientId, one] of pending.entries()) {
    const answer = one.answer !== undefined && one.answer.lsn <= lsn ? one.answer : undefined;
    again.set(clientId, { ...one, perhapsLost: true, answer });
  }
  return again;
}

/** Forgets submissions whose answer was lost; asks to be called again while there are any. */
export function expirePending(user: User, { steady }: Moment, limits: MessengerLimits, events: UserEvent[], effects: Effect[]): void {
  if (user.pending === undefined || user.pending.size === 0) return;
  const old: ClientId[] = [];
  for (const [clientId, pending] of user.pending.entries()) {
    if (steady - pending.since < limits.pendingKeptMs) break;
    old.push(clientId);
  }
  if (old.length > 0) events.push({ kind: 'pending-expired', clientIds: old });
  if (old.length < user.pending.size) effects.push(alarm(limits.pendingKeptMs));
}
