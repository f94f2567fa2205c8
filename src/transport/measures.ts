import type { FailureCode } from '../failure.ts';

/** Buckets per power of two: a time is known to 6 %, and below 16 µs to one. */
const STEPS = 16;
const POWERS = 28;
const LONGEST_US = 2 ** POWERS - 1;

/** How long things took, from 1 µs to 4 minutes, in a few kilobytes. Remembers the last one to two windows. */
export class Durations {
  private counts = new Uint32Array(STEPS * POWERS);
  private before = new Uint32Array(STEPS * POWERS);

  record(ms: number): void {
    const us = Math.max(1, Math.min(ms * 1000, LONGEST_US)) | 0;
    const power = 31 - Math.clz32(us);
    // The four bits after the highest.
    const step = ((us << 4) >>> power) & (STEPS - 1);
    const index = power * STEPS + step;
    this.counts[index] = (this.counts[index] as number) + 1;
  }

  /** The duration that this share of all didn't exceed, or 0 where there are none. */
  quantileMs(share: number): number {
    let total = 0;
    for (let i = 0; i < this.counts.length; i++) total += this.countAt(i);
    let left = total * share;
    for (let i = 0; i < this.counts.length; i++) {
      left -= this.countAt(i);
      if (total > 0 && left <= 0) return (2 ** Math.floor(i / STEPS) * (1 + ((i % STEPS) + 1) / STEPS)) / 1000;
    }
    return 0;
  }

  turnWindow(): void {
    const { before } = this;
    this.before = this.counts;
    this.counts = before.fill(0);
  }

  private countAt(index: number): number {
    return (this.counts[index] as number) + (this.before[index] as number);
  }
}

/** What the gateway counts, for operators. */
export class Measures {
  framesIn = 0;
  framesOut = 0;
  sent = 0;
  sentPerSecond = 0;
  readonly sentDurations = new Durations();
  readonly errors = new Map<FailureCode, number>();
  private countedAt = 0;
  private counted = 0;

  error(code: FailureCode): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** Called every few seconds: turns counts into rates. */
  turnWindow(now: number): void {
    const seconds = (now - this.countedAt) / 1000;
    if (this.countedAt > 0 && seconds > 0) this.sentPerSecond = (this.sent - this.counted) / seconds;
    this.countedAt = now;
    this.counted = this.sent;
    this.sentDurations.turnWindow();
  }
}
