import type { RequestCount } from './requests.ts';

export interface WindowSettings {
  /** Requests that may wait at once, at the most. */
  readonly requestsMax: number;
  /** Sends are to be answered within this, where the disk can; while most aren't, fewer requests are let in. */
  readonly answerTargetMs: number;
}

const TICK_MS = 100;
/** While all is well the window widens by so much each tick; by little where it is full, since what comes late shows late. */
const WIDEN = 1.1;
const WIDEN_FULL = 1.02;
/** A window is full when so much of it is taken. */
const FULL = 0.9;
/** The window doesn't get narrower, and fewer sends in a tick say nothing. */
const LEAST = 32;
/** A narrow window is shared by at least so many. */
const SHARES = 32;
/** Half a second, which is longer than a disk is busy with itself. */
const LATE_TICKS = 5;
/** Where even the quickest answer takes long, it is the disk: so many times that isn't late, up to so many times the target. */
const QUICKEST_TIMES = 4;
const TARGET_TIMES_MAX = 10;
/** What was the quickest is forgotten by 5 % a second. */
const QUICKEST_FORGOTTEN = 1.005;

/**
 * How many requests may wait on the node. What is let in beyond what can be done in time only waits, and makes all wait
 * that come after it. So once most sends have come late for half a second, the window is narrowed to what was done
 * lately times half the time it may take (Little's law). Where nothing queues, late answers narrow nothing: some member is slow.
 */
export class RequestWindow implements RequestCount {
  waiting = 0;
  private readonly settings: WindowSettings;
  private width: number;
  private tickedAt: number;
  /** The time of the quickest answer of late. */
  private quickestMs = 0;
  private inTime = 0;
  private late = 0;
  /** Ticks in a row of which most sends came late. */
  private lateTicks = 0;

  constructor(settings: WindowSettings, now: number) {
    this.settings = settings;
    this.width = settings.requestsMax;
    this.tickedAt = now;
  }

  /** Requests that may wait at this moment. */
  most(now: number): number {
    if (now - this.tickedAt >= TICK_MS) this.tick(now);
    return this.width;
  }

  /** Requests of one connection that may wait: while the window is narrow, nobody takes it for themselves. */
  mostOfOne(now: number): number {
    const most = this.most(now);
    return most >= this.settings.requestsMax ? most : Math.max(LEAST, most / SHARES);
  }

  /** A send was answered after so many milliseconds. */
  answered(tookMs: number, now: number): void {
    if (now - this.tickedAt >= TICK_MS) this.tick(now);
    if (tookMs < this.quickestMs || this.quickestMs === 0) this.quickestMs = tookMs;
    if (tookMs > this.targetMs) this.late += 1;
    else this.inTime += 1;
  }

  private get targetMs(): number {
    const { answerTargetMs } = this.settings;
    return Math.max(answerTargetMs, Math.min(QUICKEST_TIMES * this.quickestMs, TARGET_TIMES_MAX * answerTargetMs));
  }

  private tick(now: number): void {
    const passedMs = now - this.tickedAt;
    const { requestsMax } = this.settings;
    const answered = this.late + this.inTime;
    // A few late ones tell of a slow member, a moment of many of a disk that was busy for a moment.
    if (answered >= LEAST) this.lateTicks = Math.max(0, this.lateTicks + (this.late > this.inTime ? 1 : -1));
    else if (this.waiting <= LEAST) this.lateTicks = 0;
    const inTarget = (answered / passedMs) * this.targetMs;
    this.quickestMs *= QUICKEST_FORGOTTEN ** (passedMs / TICK_MS);
    if (this.lateTicks >= LATE_TICKS && answered >= LEAST && this.waiting > inTarget) {
      this.width = Math.max(LEAST, Math.min(this.width, inTarget / 2));
      this.lateTicks = LATE_TICKS;
    } else if (this.lateTicks === 0) {
      const widen = this.waiting >= this.width * FULL ? WIDEN_FULL : WIDEN;
      this.width = Math.min(requestsMax, this.width * widen ** (passedMs / TICK_MS));
    }
    this.tickedAt = now;
    this.inTime = 0;
    this.late = 0;
  }
}
