import type { Effect, Outcome, Reading } from '../cluster/actor.ts';
import type { ConversationId } from '../ids.ts';
import type { Row } from '../storage/store.ts';
import { readLines, wholeList } from './conversation-list.ts';
import { tellHost } from './effects.ts';
import { unpackRuns } from './inbox.ts';
import type { Item } from './item.ts';
import type { SessionCommand } from './messages.ts';
import type { UserEvent } from './user-events.ts';
import { addDelivery, type Deliveries, type User } from './user-state.ts';

type Ack = Extract<SessionCommand, { kind: 'ack' }>;

const NOTHING: readonly never[] = [];
/** Of more events than this it is only asked which conversations they cover to the end. Devices acknowledge every 64. */
const RECALL_EVENTS_MAX = 512;
/** The next acknowledgements of a device that catches up find what they cover read already. */
const RECALL_AHEAD = 256;
const READ_ROWS = 64;

/** The last event before `undelivered` that the cursor covers; undefined: it covers none that wasn't acknowledged before. */
function forgottenThrough(user: User, cursor: number): number | undefined {
  const through = Math.min(cursor, user.lsn, user.undeliveredAfter);
  return through > user.acknowledged ? through : undefined;
}

/** The events can't be read, since they are no longer kept, or are too many. */
const asksList = (user: User, through: number): boolean =>
  user.acknowledged < user.floor || through - user.acknowledged > RECALL_EVENTS_MAX;

/** What has to be read before it is known which entries the cursor covers; undefined: nothing. */
export function recall(user: User, cursor: number): Reading<void> | undefined {
  const through = forgottenThrough(user, cursor);
  if (through === undefined) return undefined;
  if (asksList(user, through)) return wholeList(user);
  return (user.recalled?.through ?? 0) >= through ? undefined : recallEvents(user, Math.min(through + RECALL_AHEAD, user.undeliveredAfter));
}

/** One's own entries too: where they are the last of a conversation, they cover those of others before them. */
function* recallEvents(user: User, through: number): Reading<void> {
  const deliveries: Deliveries[] = [];
  for (let after = user.acknowledged; after < through; ) {
    const [rows] = (yield [{ kind: 'forward', log: 'inbox', of: user.id, after, through, limit: READ_ROWS }]) as [readonly Row[]];
    for (const { payload, first } of rows) {
      for (const { batch, firstLsn } of unpackRuns(payload, first)) {
        for (const [i, { seq }] of batch.entries.entries()) {
          const lsn = firstLsn + i;
          if (lsn > after && lsn <= through) addDelivery(deliveries, lsn, batch.conversation, seq);
        }
      }
    }
    after = rows.at(-1)?.last ?? through;
  }
  yield* readLines(user, [...new Set(deliveries.map(({ conversation }) => conversation))]);
  user.recalled = { through, deliveries };
}

/** Moves `delivered` of every conversation up to the newest of its events that the device now has. */
export function decideAck(user: User, command: Ack): Outcome<UserEvent> {
  const cursor = Math.min(command.cursor, user.lsn);
  if (cursor <= user.acknowledged) return { events: NOTHING, effects: NOTHING };
  const marks = new Map<ConversationId, number>();
  const through = forgottenThrough(user, cursor);
  if (through !== undefined && asksList(user, through)) {
    for (const item of user.items.values()) if (item.lastLsn <= cursor) note(marks, item, item.lastSeq);
  } else if (through !== undefined) noteAll(marks, user, user.recalled?.deliveries ?? NOTHING, cursor);
  noteAll(marks, user, user.undelivered, cursor);
  const effects = [...marks].map(([conversation, seq]) => mark(user, conversation, seq, user.items.get(conversation)?.read ?? 0));
  return { events: [{ kind: 'acknowledged', cursor, marks }], effects };
}

function noteAll(marks: Map<ConversationId, number>, user: User, deliveries: readonly Deliveries[], cursor: number): void {
  for (const { lsn, conversation, seq, count } of deliveries) {
    if (lsn > cursor) break;
    const item = user.items.get(conversation);
    if (item !== undefined) note(marks, item, seq + Math.min(count - 1, cursor - lsn));
  }
}

function note(marks: Map<ConversationId, number>, item: Item, seq: number): void {
  if (!item.left && seq > item.delivered && seq >= item.since) marks.set(item.id, seq);
}

export const mark = (user: User, conversation: ConversationId, delivered: number, read: number): Effect =>
  tellHost({ kind: 'mark', conversation, user: user.id, delivered, read });
