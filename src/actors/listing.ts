import type { Effect, Moment, Outcome } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { nameFor } from '../ids.ts';
import { userAddress } from './addresses.ts';
import { readable } from './devices.ts';
import { answer, errorFrame, tellMember } from './effects.ts';
import { type Entry, entriesOf } from './entry.ts';
import { type Item, itemFrame } from './item.ts';
import type { MessengerLimits, ServerFrame, SessionCommand } from './messages.ts';
import type { UserEvent } from './user-events.ts';
import type { User } from './user-state.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

const NOTHING: readonly never[] = [];

/** A page of entries, from memory where the cache has it, else from the conversation's log. Seqs have no gaps, so a page is a range. */
export function decideHistory(user: User, command: Of<'history'>, limits: MessengerLimits): Outcome<UserEvent> {
  const item = readable(user, command.conversation);
  const { before, after, limit } = command;
  const forward = after !== undefined;
  // The page is from…through, within what the user may read and has been told of.
  const from = forward
    ? Math.max(after + 1, item.since)
    : Math.max(Math.min(before ?? Number.MAX_SAFE_INTEGER, item.lastSeq + 1) - limit, item.since);
  const through = forward ? Math.min(from + limit - 1, item.lastSeq) : Math.min((before ?? Number.MAX_SAFE_INTEGER) - 1, item.lastSeq);
  const more = forward ? through < item.lastSeq : from > item.since;
  const page = (entries: readonly Entry[]): ServerFrame => ({
    type: 'page',
    id: command.id,
    conversation: nameFor(item.id, user.id),
    entries,
    more: entries.length > 0 && more,
  });
  if (from > through) return { events: NOTHING, effects: [answer(command, page([]))] };
  const oldest = item.lastSeq - item.cache.size + 1;
  if (from >= oldest) {
    const entries = item.cache.entries().slice(from - oldest, through - oldest + 1);
    return { events: NOTHING, effects: [answer(command, page(entries))] };
  }
  return { events: NOTHING, effects: [readPage(user, item, from, through, page, command, limits)] };
}

function readPage(
  user: User,
  item: Item,
  from: number,
  through: number,
  page: (entries: readonly Entry[]) => ServerFrame,
  to: Of<'history'>,
  limits: MessengerLimits,
): Effect {
  const { id } = item;
  const newest = through === item.lastSeq;
  return {
    kind: 'look',
    *look() {
      const [rows] = yield [{ kind: 'forward', log: 'conversation', of: id, after: from - 1, through, limit: through - from + 1 }];
      const entries = entriesOf(rows ?? NOTHING, from, through);
      const effects = [answer(to, page(entries))];
      if (newest && entries.length > 0) {
        const newestEntries = entries.slice(-limits.cacheEntriesMax);
        effects.push(tellMember(userAddress(user.id), { kind: 'remember', conversation: id, entries: newestEntries }));
      }
      return effects;
    },
    failed: (failure) => [answer(to, errorFrame(failure, { id: to.id }))],
  };
}

/** The newest entries came from the log; they are of use only where they end where the cache ends. */
export function decideRemember(user: User, conversation: Item['id'], entries: readonly Entry[]): Outcome<UserEvent> {
  const item = user.items.get(conversation);
  if (item === undefined || entries.at(-1)?.seq !== item.lastSeq || entries.length <= item.cache.size)
    return { events: NOTHING, effects: NOTHING };
  return { events: [{ kind: 'remembered', conversation, entries }], effects: NOTHING };
}

/** The conversation list, latest first. `next` is the lsn that the next page begins below. */
export function decideConversations(user: User, command: Of<'conversations'>, { wall }: Moment): Outcome<UserEvent> {
  const below = command.next === undefined ? Number.POSITIVE_INFINITY : Number(command.next);
  if (command.next !== undefined && !/^\d{1,16}$/.test(command.next))
    throw new Failure('bad-field', '`next` must be what the last page gave');
  const listed = [...user.items.values()].filter((item) => !item.left && item.lastLsn < below);
  listed.sort((one, other) => other.lastLsn - one.lastLsn);
  const shown = listed.slice(0, command.limit);
  const items = shown.map((item) => itemFrame(user, item, wall)).filter((item) => item !== undefined);
  const last = shown.at(-1);
  const next = last !== undefined && listed.length > shown.length ? { next: String(last.lastLsn) } : {};
  return { events: NOTHING, effects: [answer(command, { type: 'conversations', id: command.id, items, ...next })] };
}
