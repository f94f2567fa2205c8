import type { Row } from './store.ts';

/** Positions `first`…`last` as one row has them: all of the row, or the part of it that counts. */
export interface Segment {
  readonly row: Row;
  readonly first: number;
  readonly last: number;
}

/**
 * Says which rows of a log count, from position `from` on: the one place where epochs are resolved, and
 * every reader of a log comes through here.
 *
 * A log has one writer at a time, and each writer has a higher epoch than those before it. A writer that
 * lost its log without knowing it yet may still append where its successor does, so several rows may hold
 * one position. Then:
 * - the row of the highest epoch has the position;
 * - a position whose epoch is lower than that of an earlier position is void: who wrote it had lost the log;
 * - the first position that nobody has, or that is void, ends the log, whatever stands after it.
 *
 * `rows` come in any order and may overlap; `segments` go up without a gap, and begin with `from` unless
 * there are none. Under one epoch no two rows hold the same position.
 *
 * **The end of a log.** Read forward from a position known to count (0, or what a snapshot reflects) to the
 * end, and resolve from the next one: where the segments end, the log ends, and the next append goes after it.
 *
 * **The middle of a log.** Resolve what `forward` gives for `after` = `from` − 1 and some `through` that is
 * at most the log's end as known from the above: `read` gives every row that holds one of these positions,
 * so for each of them the right row is among them, and what comes before `from` needn't be read. Never take
 * a position past the known end from a read of the middle: it may be void by what stands before it.
 *
 * **Where `limit` cut a read short**, a row not yet read may take over from those that were: read on and
 * resolve all of them together, or take only positions up to `POSITIONS_PER_ROW_MAX` before the last one read.
 */
export function resolveTail(rows: readonly Row[], from: number): readonly Segment[] {
  const byFirst = inOrder(rows) ? rows : [...rows].sort((a, b) => a.first - b.first);
  const segments: Segment[] = [];
  let active: Row[] = [];
  let next = 0;
  let epoch = 0;
  for (let position = from; ; ) {
    for (let row = byFirst[next]; row !== undefined && row.first <= position; row = byFirst[++next]) active.push(row);
    if (active.length > 1) active = active.filter((row) => row.last >= position);
    const row = highest(active);
    if (row === undefined || row.last < position || row.epoch < epoch) return segments;
    epoch = row.epoch;
    const last = Math.min(row.last, beforeHigher(byFirst, next, row));
    const previous = segments.at(-1);
    if (previous?.row === row) segments[segments.length - 1] = { row, first: previous.first, last };
    else segments.push({ row, first: position, last });
    position = last + 1;
  }
}

function inOrder(rows: readonly Row[]): boolean {
  for (let i = 1; i < rows.length; i++) if ((rows[i] as Row).first < (rows[i - 1] as Row).first) return false;
  return true;
}

function highest(rows: readonly Row[]): Row | undefined {
  let best = rows[0];
  for (const row of rows) if (best !== undefined && row.epoch > best.epoch) best = row;
  return best;
}

/** The position before the first row from `next` on that takes over from `row`. */
function beforeHigher(byFirst: readonly Row[], next: number, row: Row): number {
  for (let i = next; i < byFirst.length; i++) {
    const other = byFirst[i] as Row;
    if (other.first > row.last) break;
    if (other.epoch > row.epoch) return other.first - 1;
  }
  return Number.POSITIVE_INFINITY;
}
