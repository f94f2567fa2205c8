import { appended } from '../appended.ts';
import type { Effect, Reading } from '../cluster/actor.ts';
import type { ConversationId, UserId } from '../ids.ts';
import { nameFor } from '../ids.ts';
import { POSITIONS_PER_PARTITION, type Row, splitAt, type Write } from '../storage/store.ts';
import { userAddress } from './addresses.ts';
import type { ConclusionDraft } from './conclusion-draft.ts';
import { answer, push, tellMember } from './effects.ts';
import { type Batch, batchOf, type Entry, pack, unpack, unpackEntries } from './entry.ts';
import type { Asked, GroupSummary, ServerFrame } from './messages.ts';
import type { Pending, Session, User } from './user-state.ts';
import { sameSession } from './user-state.ts';

/** Events of one conversation with consecutive lsns. */
export interface Run {
  readonly batch: Batch;
  readonly firstLsn: number;
  /** The user begins (again) to be a member with the first of these. */
  readonly starts: boolean;
  /** A group's line in the list, where the run can't be understood without. */
  readonly summary: GroupSummary | undefined;
}

/** One that is new here. `own`: for each entry, the submission that it came from, where that still waits; undefined: none does. */
export interface NewRun extends Run {
  readonly own: readonly (Pending | undefined)[] | undefined;
}

const STARTS = 1;
const SUMMARY = 2;
const RUN_HEAD_BYTES = 4;

/**
 * The payload of an inbox row: runs, one after the other. A run is a byte of flags, a byte with the length of the
 * conversation's id and that id, two bytes with the number of entries, then if flagged two bytes with the length of
 * a packed `[title, members, asOf]` and that, and the packed entries.
 */
export function packRuns(runs: readonly Run[]): Uint8Array {
  let summaries: Uint8Array[] | undefined;
  let bytes = 0;
  for (const { batch, summary } of runs) {
    bytes += RUN_HEAD_BYTES + batch.conversation.length + batch.packed.length;
    if (summary === undefined) continue;
    const packed = pack([summary.title, summary.members, summary.asOf]);
    summaries = appended(summaries, packed);
    bytes += 2 + packed.length;
  }
  const payload = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const run of runs) {
    const { batch, starts } = run;
    const summary = run.summary === undefined ? undefined : summaries?.shift();
    payload[at++] = (starts ? STARTS : 0) | (summary === undefined ? 0 : SUMMARY);
    payload[at++] = batch.conversation.length;
    at += payload.write(batch.conversation, at, 'latin1');
    at = payload.writeUInt16BE(batch.entries.length, at);
    if (summary !== undefined) {
      at = payload.writeUInt16BE(summary.length, at);
      payload.set(summary, at);
      at += summary.length;
    }
    payload.set(batch.packed, at);
    at += batch.packed.length;
  }
  return payload;
}

/** The runs of a row whose events begin with the lsn `first`. */
export function unpackRuns(payload: Uint8Array, first: number): Run[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const runs: Run[] = [];
  let firstLsn = first;
  for (let at = 0; at < bytes.length; ) {
    const flags = bytes[at] as number;
    const idEnd = at + 2 + (bytes[at + 1] as number);
    const conversation = bytes.toString('latin1', at + 2, idEnd) as ConversationId;
    const count = bytes.readUInt16BE(idEnd);
    at = idEnd + 2;
    let summary: [title: string, members: number, asOf?: number] | undefined;
    if ((flags & SUMMARY) !== 0) {
      const end = at + 2 + bytes.readUInt16BE(at);
      summary = unpack(bytes.subarray(at + 2, end)) as typeof summary;
      at = end;
    }
    const entries = unpackEntries(bytes, at, count);
    const length = entries.reduce((sum, entry) => sum + entry.packed.length, 0);
    runs.push({
      batch: { conversation, entries, packed: bytes.subarray(at, at + length) },
      firstLsn,
      starts: (flags & STARTS) !== 0,
      summary: summary && summaryIn(summary, entries),
    });
    at += length;
    firstLsn += count;
  }
  return runs;
}

/** Rows of old don't say as of when: of the run's end. */
const summaryIn = ([title, members, asOf]: [string, number, number?], entries: readonly Entry[]): GroupSummary => ({
  title,
  members,
  asOf: asOf ?? entries.at(-1)?.seq ?? 0,
});

/** The run's events after `lsn`; undefined where it has none. */
export function runAfter(run: Run, lsn: number): Run | undefined {
  if (run.firstLsn > lsn) return run;
  const entries = run.batch.entries.slice(lsn + 1 - run.firstLsn);
  if (entries.length === 0) return undefined;
  return { batch: batchOf(run.batch.conversation, entries), firstLsn: lsn + 1, starts: false, summary: run.summary };
}

/** The rows of what was received in a turn: as few as the bounds of a row allow, nearly always one. */
export function inboxRows(user: UserId, runs: readonly Run[], epoch: number): readonly Write[] {
  const begin = (runs[0] as Run).firstLsn;
  const { firstLsn, batch } = runs.at(-1) as Run;
  const end = firstLsn + batch.entries.length - 1;
  if (end <= splitAt(begin)) return [inboxRow(user, runs, begin, end, epoch)];
  return splitRows(user, runs, epoch);
}

function inboxRow(of: UserId, runs: readonly Run[], first: number, last: number, epoch: number): Write {
  const payload = packRuns(runs);
  return { kind: 'append', log: 'inbox', of, first, last, epoch, payload };
}

function splitRows(user: UserId, runs: readonly Run[], epoch: number): Write[] {
  const writes: Write[] = [];
  let row: Run[] = [];
  let first = 0;
  let next = 0;
  const close = (): void => {
    if (row.length > 0) writes.push(inboxRow(user, row, first, next - 1, epoch));
    row = [];
  };
  for (let run of runs) {
    for (;;) {
      if (row.length === 0) first = run.firstLsn;
      const room = splitAt(first) - run.firstLsn + 1;
      if (room <= 0) {
        close();
        continue;
      }
      const { entries, conversation } = run.batch;
      if (entries.length <= room) {
        row.push(run);
        next = run.firstLsn + entries.length;
        break;
      }
      row.push({ ...run, batch: batchOf(conversation, entries.slice(0, room)) });
      next = run.firstLsn + room;
      close();
      run = { batch: batchOf(conversation, entries.slice(room)), firstLsn: next, starts: false, summary: undefined };
    }
  }
  close();
  return writes;
}

/** One `events` frame per run and live session; a session's own entries apart, so that `sent` can take their place. */
export function tellSessions(user: User, runs: readonly NewRun[], draft: ConclusionDraft): void {
  for (const session of user.sessions) {
    if (!session.live) continue;
    for (const run of runs) {
      const name = nameFor(run.batch.conversation, user.id);
      const { entries } = run.batch;
      for (let from = 0; from < entries.length; ) {
        const own = sentBy(session, run.own?.[from]);
        let to = from + 1;
        if (run.own === undefined) to = entries.length;
        else while (to < entries.length && sentBy(session, run.own[to]) === own) to += 1;
        const batch = from === 0 && to === entries.length ? run.batch : batchOf(run.batch.conversation, entries.slice(from, to));
        const frame: ServerFrame = { type: 'events', firstLsn: run.firstLsn + from, conversation: name, batch, own };
        draft.tell(push(session.address, frame));
        from = to;
      }
    }
  }
}

function sentBy(session: Session, submission: Pending | undefined): boolean {
  const first = submission?.waiters[0];
  return first !== undefined && sameSession(first.session, session.address);
}

/** Rows that one pull reads at most; a row holds up to 256 events. */
const PULL_ROWS_MAX = 64;

/** Events after `after` for one session, and then `pulled`. At most about `limit` events, whole rows. */
export function pull(user: UserId, after: number, limit: number, to: Asked): () => Reading<readonly Effect[]> {
  return function* () {
    const effects: Effect[] = [];
    const [rows] = (yield [{ kind: 'forward', log: 'inbox', of: user, after, limit: Math.min(limit, PULL_ROWS_MAX) }]) as [readonly Row[]];
    let through = after;
    for (const row of rows) {
      if (through - after >= limit) break;
      for (const whole of unpackRuns(row.payload, row.first)) {
        const run = runAfter(whole, through);
        if (run === undefined) continue;
        const frame: ServerFrame = {
          type: 'events',
          firstLsn: run.firstLsn,
          conversation: nameFor(run.batch.conversation, user),
          batch: run.batch,
          own: false,
        };
        effects.push(answer(to, frame));
        through = run.firstLsn + run.batch.entries.length - 1;
      }
    }
    effects.push(answer(to, { type: 'pulled', through, end: false }));
    return effects;
  };
}

const EXPIRE_ROWS = 64;

/** Looks for events that are older than `before` (milliseconds since 1970), and tells the user how far they go, and when (wall) the last event of the next row happened. */
export function lookForExpired(user: User, before: number): () => Reading<readonly Effect[]> {
  const { id, floor, reflects } = user;
  return function* () {
    let through = floor;
    let oldestAt: number | undefined;
    for (;;) {
      const [rows] = (yield [{ kind: 'forward', log: 'inbox', of: id, after: through, limit: EXPIRE_ROWS }]) as [readonly Row[]];
      const from = through;
      for (const row of rows) {
        const newest = unpackRuns(row.payload, row.first).at(-1)?.batch.entries.at(-1);
        oldestAt = newest?.at;
        // Only what the derived rows reflect may go: activation reads the rest.
        if (newest === undefined || newest.at >= before || row.last > reflects) break;
        oldestAt = undefined;
        through = row.last;
      }
      if (through - from < rows.length || rows.length < EXPIRE_ROWS || through - floor > POSITIONS_PER_PARTITION) break;
    }
    return [tellMember(userAddress(id), { kind: 'expire', through, oldestAt })];
  };
}
