import type { Reading } from '../cluster/actor.ts';
import type { ConversationId } from '../ids.ts';
import type { Read, Row, Write } from '../storage/store.ts';
import { pack, unpack } from './entry.ts';
import { READ_ROWS } from './hosted-rows.ts';
import { type ItemRow, itemOf, restoreItem, rowOf } from './item.ts';
import { keepItem, type User } from './user-state.ts';

/** More than this cost less as one range. */
const LINES_BY_KEY_MAX = 64;

/** What must be read before the line of `conversation` can be told from none; undefined: nothing. */
export function lineOf(user: User, conversation: ConversationId): Reading<void> | undefined {
  if (user.listComplete || user.items.has(conversation) || user.unlisted === conversation) return undefined;
  return readLine(user, conversation);
}

function* readLine(user: User, conversation: ConversationId): Reading<void> {
  yield* readLines(user, [conversation]);
  if (!user.items.has(conversation)) user.unlisted = conversation;
}

/** Reads those of these lines that aren't in memory, where there are any; all where these are many. */
export function* readLines(user: User, conversations: readonly ConversationId[]): Reading<void> {
  const wanted = user.listComplete ? [] : conversations.filter((conversation) => !user.items.has(conversation));
  if (wanted.length > LINES_BY_KEY_MAX) yield* readWholeList(user);
  else if (wanted.length > 0) {
    const reads = wanted.map((key): Read => ({ kind: 'row', table: 'item', of: user.id, key }));
    for (const rows of yield reads) takeLines(user, rows);
  }
}

/** What must be read before the whole list is in memory; undefined: nothing. */
export const wholeList = (user: User): Reading<void> | undefined => (user.listComplete ? undefined : readWholeList(user));

export function* readWholeList(user: User): Reading<void> {
  if (user.listPacked) {
    const [rows] = (yield [{ kind: 'row', table: 'list', of: user.id, key: '' }]) as [readonly Row[]];
    takePacked(user, rows[0]);
    if (user.listComplete) return;
  }
  const all: Read = { kind: 'rows', table: 'item', of: user.id, limit: READ_ROWS };
  for (let next = all; ; ) {
    const [rows] = (yield [next]) as [readonly Row[]];
    takeLines(user, rows);
    const last = rows.at(-1);
    if (last === undefined || rows.length < READ_ROWS) break;
    next = { ...all, after: last.key };
  }
  user.listComplete = true;
}

type PackedList = [id: ConversationId, line: ItemRow][];

/**
 * Lists of so many lines are packed when the user is unloaded, where all of it is in memory: a login that asks for the list
 * then gets one row instead of a range of rows, which takes a fifth off it.
 */
const PACKED_LINES_MIN = 4;
const PACKED_LINES_MAX = 64;
/** … and of so many bytes of last entries: it is written anew at each unloading after one line changed. */
const PACKED_ENTRY_BYTES_MAX = 32_768;

export function mayPack({ listComplete, items }: User): boolean {
  if (!listComplete || items.size < PACKED_LINES_MIN || items.size > PACKED_LINES_MAX) return false;
  let bytes = 0;
  for (const { cache } of items.values()) bytes += cache.last?.length ?? 0;
  return bytes <= PACKED_ENTRY_BYTES_MAX;
}

/** To go, in one atomic write, with a user row that says that the list is packed. */
export function putPacked(user: User, epoch: number): Write {
  const list: PackedList = [...user.items.values()].map((item) => [item.id, rowOf(item)]);
  return { kind: 'put', table: 'list', of: user.id, key: '', epoch, payload: pack(list) };
}

function takePacked(user: User, row: Row | undefined): void {
  if (row === undefined) return;
  for (const [id, line] of unpack(row.payload) as PackedList) if (!user.items.has(id)) keepItem(user, itemOf(id, line));
  user.listComplete = true;
}

/** What is in memory is newer than its row. */
function takeLines(user: User, rows: readonly Row[]): void {
  for (const row of rows) if (!user.items.has(row.key as ConversationId)) keepItem(user, restoreItem(row));
}
