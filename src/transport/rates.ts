import { Failure } from '../failure.ts';
import type { Rate, RateSettings } from './settings.ts';

/**
 * A token bucket is one number: the moment when it will be full again. Taking a token moves that moment on by
 * what one token takes to flow in; a taker is refused while it lies further ahead than the whole burst takes.
 */
export function take(rate: Rate, fullAt: number, now: number, tokens = 1): number {
  return Math.max(fullAt, now) + (tokens * 1000) / rate.perSecond;
}

/** How long until a bucket whose token was just taken has one, or 0 where it had. Less than a microsecond is rounding. */
export function debtMs(rate: Rate, fullAt: number, now: number): number {
  const wait = fullAt - now - (rate.burst * 1000) / rate.perSecond;
  return wait > 0.001 ? wait : 0;
}

/** Everything that waits for the same bucket is told the same time: too short a one, and all of it comes again at once. */
const RETRY_LEAST_MS = 1_000;

export const rateLimited = (name: keyof RateSettings, waitMs: number): Failure =>
  new Failure('rate-limited', `too many at once (${name}); wait and send again`, {
    retryAfterMs: Math.max(RETRY_LEAST_MS, Math.ceil(waitMs)),
  });

/** The buckets of all users and addresses. The oldest are forgotten when there are too many, which only gives more. */
export class Rates {
  private readonly rates: RateSettings | undefined;
  private readonly bucketsMax: number;
  private readonly buckets = new Map<keyof RateSettings, Map<string, number>>();

  constructor(rates: RateSettings | undefined, bucketsMax: number) {
    this.rates = rates;
    this.bucketsMax = bucketsMax;
    for (const name of Object.keys(rates ?? {}) as (keyof RateSettings)[]) this.buckets.set(name, new Map());
  }

  /** Takes tokens from `key`'s bucket, or throws `rate-limited`. */
  take(name: keyof RateSettings, key: string, now: number, tokens = 1): void {
    const waitMs = this.refused(name, key, now, tokens);
    if (waitMs > 0) throw rateLimited(name, waitMs);
  }

  /** Takes tokens and gives 0, or says how long to wait for them. */
  refused(name: keyof RateSettings, key: string, now: number, tokens = 1): number {
    if (this.rates === undefined) return 0;
    const rate = this.rates[name];
    const buckets = this.buckets.get(name) as Map<string, number>;
    const fullAt = take(rate, buckets.get(key) ?? 0, now, tokens);
    const waitMs = debtMs(rate, fullAt, now);
    if (waitMs > 0) return waitMs;
    if (buckets.size >= this.bucketsMax && !buckets.has(key)) buckets.delete(buckets.keys().next().value as string);
    buckets.set(key, fullAt);
    return 0;
  }
}
