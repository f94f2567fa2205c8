import type { RequestCount } from './requests.ts';

export interface WindowSettings {
  /** Requests that may wait at once, at the most. */
  readonly requestsMax: number;
  /** Sends are to be answered within this; while most aren't, fewer requests are let in. */
  readonly answerTargetMs: number;
}

const TICK_MS = 100;
/** While all is well the window widens by a tenth each tick: tenfold in two and a half seconds. */
const WIDEN = 1.1;
const LEAST = 32;

/**
 * How many requests may wait on the node. What is let in beyond what can be done in time only waits, and makes all wait
 * that come after it. So the window is narrowed to what was done lately times the time it may take (Little's law), by
 * the sends of each tick of which most came late; one conversation whose member is slow narrows nothing.
 */
export class RequestWindow implements RequestCount {
  waiting = 0;
  private readonly settings: WindowSettings;
  private width: number;
  private tickedAt: number;
  private inTime = 0;
  private late = 0;

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

  /** A send was answered after so many milliseconds. */
  answered(tookMs: number, now: number): void {
    if (now - this.tickedAt >= TICK_MS) this.tick(now);
    if (tookMs > this.settings.answerTargetMs) this.late += 1;
    else this.inTime += 1;
  }

  private tick(now: number): void {
    const passedMs = now - this.tickedAt;
    const { requestsMax, answerTargetMs } = this.settings;
    if (this.late > this.inTime) {
      const inTarget = ((this.late + this.inTime) / passedMs) * answerTargetMs;
      this.width = Math.max(LEAST, Math.min(this.width, inTarget));
    } else this.width = Math.min(requestsMax, this.width * WIDEN ** (passedMs / TICK_MS));
    this.tickedAt = now;
    this.inTime = 0;
    this.late = 0;
  }
}
