export interface Backoff {
  /** The bound of the first wait; each next one doubles it. */
  readonly firstMs: number;
  readonly maxMs: number;
}

export const defaultBackoff: Backoff = { firstMs: 500, maxMs: 30_000 };

/** How long to wait before attempt number `failures` + 1 (PROTOCOL 12.3). A thousand clients that lost one server come back spread out. */
export const waitMs = (backoff: Backoff, failures: number, random: () => number): number =>
  random() * Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(failures, 30));
