import type { EventsFrame } from '../actors/messages.ts';
import type { SomeEvents, WireFrame } from './codec.ts';

export type Sent = Extract<WireFrame, { type: 'sent' }>;

/** What a stream needs of its session. */
export interface StreamEnds {
  write(frame: EventsFrame | SomeEvents | Sent): void;
  /** The stream wants something asked for: `ask` is to be called soon, when what was written has left. */
  wants(): void;
  /** Asks for the events after `after`; gives the tag with which they will come, or 0 where they won't. */
  pull(after: number): number;
  /** When own entries that come now go out as they are; 0: at once. */
  holdUntil(): number;
  /** The stream begins to hold own entries: `release` is to be called then. */
  hold(until: number): void;
}

/** A run that waits; `until` when, if it is held itself, and not only behind another. */
interface Waiting {
  readonly run: EventsFrame;
  readonly until: number;
}

const lastOf = (run: EventsFrame): number => run.firstLsn + run.batch.entries.length - 1;

/**
 * The events of one device in their order. It writes the frame with the next lsn or none: what lies below is
 * dropped, what lies beyond a gap is asked for, an own entry waits a moment for its `sent` to take its place,
 * a `sent` waits for what is below it (PROTOCOL 4.3, 5.3). While the socket is full it writes nothing and
 * remembers nothing, and reads on from the log when there is room again.
 */
export class Stream {
  private readonly ends: StreamEnds;
  private state: 'closed' | 'flowing' | 'paused' = 'closed';
  private nextLsn = 0;
  /** The highest lsn heard of: as long as it isn't written or waiting, there is something to ask for. */
  private seenLsn = 0;
  private wanted = false;
  private pullTag = 0;
  private pulledFrom = 0;
  /** The last pull reached the inbox's end, so what comes after it is told. */
  private ended = false;
  /** Runs from `nextLsn` on, without gaps; the first is an own one that is held. */
  private waiting: Waiting[] | undefined;
  /** Answers that stand in the order at an lsn that isn't reached yet. */
  private sents: Map<number, Sent> | undefined;

  constructor(ends: StreamEnds) {
    this.ends = ends;
  }

  /** The lsn up to which everything is written. */
  get cursor(): number {
    return this.nextLsn - 1;
  }

  /** Answers that wait for their turn. */
  get held(): number {
    return this.sents?.size ?? 0;
  }

  get paused(): boolean {
    return this.state === 'paused';
  }

  /** Nothing is asked for, and nothing has to be. */
  get settled(): boolean {
    return this.pullTag === 0 && !this.wanted;
  }

  /** Begins, or begins again, after this cursor. */
  start(cursor: number): void {
    this.state = 'flowing';
    this.nextLsn = cursor + 1;
    this.seenLsn = cursor;
    this.pullTag = 0;
    this.waiting = undefined;
    const { sents } = this;
    this.sents = undefined;
    for (const sent of sents?.values() ?? []) this.sent(sent);
    this.want();
  }

  /** A run that was told (`tag` 0) or asked for. */
  events(tag: number, run: EventsFrame): void {
    const last = lastOf(run);
    if (last > this.seenLsn) this.seenLsn = last;
    if (this.state !== 'flowing' || (tag !== 0 && tag !== this.pullTag)) return;
    const through = this.through();
    if (last <= through) return;
    if (run.firstLsn > through + 1) return this.want();
    const until = run.own && tag === 0 ? this.ends.holdUntil() : 0;
    if (this.waiting !== undefined) this.waiting.push({ run, until });
    else if (until > 0 && this.sents?.has(this.nextLsn) !== true) {
      this.waiting = [{ run, until }];
      this.ends.hold(until);
    } else this.writeRun(run);
    if (this.sents !== undefined) this.advance(0);
  }

  /** An answer that stands in the order or, below it, only answers. */
  sent(frame: Sent): void {
    if (frame.lsn < this.nextLsn) return this.ends.write(frame);
    if (frame.lsn > this.seenLsn) this.seenLsn = frame.lsn;
    if (frame.lsn === this.nextLsn && this.state === 'flowing') {
      this.nextLsn++;
      this.ends.write(frame);
      if (this.waiting !== undefined || this.sents !== undefined) this.advance(0);
      return;
    }
    this.sents ??= new Map();
    this.sents.set(frame.lsn, frame);
    if (frame.lsn > this.through() + 1) this.want();
  }

  /** The answer to a pull is complete; `end`: it reached the inbox's end. */
  pulled(tag: number, end: boolean): void {
    if (tag !== this.pullTag) return;
    this.pullTag = 0;
    this.ended = end;
    this.ends.wants();
    const through = this.through();
    // A pull that brought nothing though there is more is asked again by `retry`, not at once and for ever.
    if ((!end || through < this.seenLsn) && through >= this.pulledFrom) this.want();
  }

  pullFailed(tag: number): void {
    if (tag === this.pullTag) this.pullTag = 0;
  }

  isPull(tag: number): boolean {
    return tag === this.pullTag;
  }

  /** To be called after `wants`. */
  ask(): void {
    if (!this.wanted || this.state !== 'flowing' || this.pullTag !== 0) return;
    this.wanted = false;
    this.ended = false;
    this.pulledFrom = this.through() + 1;
    this.pullTag = this.ends.pull(this.pulledFrom - 1);
  }

  /** What comes is told no longer, until it was asked for again. */
  again(): void {
    this.ended = false;
    this.want();
  }

  /** To be called now and then: asks again for what didn't come. */
  retry(): void {
    if (this.pullTag === 0 && (!this.ended || this.through() < this.seenLsn || this.sents !== undefined)) this.want();
  }

  /** The socket is full. */
  pause(): void {
    if (this.state !== 'flowing') return;
    this.state = 'paused';
    this.pullTag = 0;
    this.waiting = undefined;
  }

  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'flowing';
    this.want();
  }

  /** Own entries whose time is over by `now` go out as events. Gives until when others are held; 0: none is. */
  release(now: number): number {
    if (this.waiting !== undefined) this.advance(now);
    return this.waiting?.[0]?.until ?? 0;
  }

  private want(): void {
    if (this.wanted || this.state !== 'flowing') return;
    this.wanted = true;
    this.ends.wants();
  }

  /** The lsn up to which everything is written or waits to be. */
  private through(): number {
    const tail = this.waiting?.at(-1);
    return tail === undefined ? this.nextLsn - 1 : lastOf(tail.run);
  }

  /** Writes what can be written: answers whose turn it is, runs that nothing holds, at `now`, any longer. */
  private advance(now: number): void {
    for (;;) {
      if (this.writeSent()) continue;
      const first = this.waiting?.[0];
      if (first === undefined) break;
      if (lastOf(first.run) < this.nextLsn) this.waiting?.shift();
      else if (first.until <= now) this.writeRun(first.run);
      else return;
    }
    this.waiting = undefined;
  }

  /** Writes the run from `nextLsn` on, but for the entries whose `sent` is here to stand for them. */
  private writeRun(run: EventsFrame): void {
    const { length } = run.batch.entries;
    for (let from = this.nextLsn - run.firstLsn; from < length; from = this.nextLsn - run.firstLsn) {
      if (this.writeSent()) continue;
      let to = length;
      if (this.sents !== undefined) for (to = from + 1; to < length && !this.sents.has(run.firstLsn + to); ) to++;
      this.nextLsn = run.firstLsn + to;
      this.ends.write(from === 0 && to === length ? run : { type: 'some-events', run, from, to });
    }
  }

  private writeSent(): boolean {
    const sent = this.sents?.get(this.nextLsn);
    if (sent === undefined) return false;
    this.sents?.delete(this.nextLsn);
    if (this.sents?.size === 0) this.sents = undefined;
    this.nextLsn++;
    this.ends.write(sent);
    return true;
  }
}
