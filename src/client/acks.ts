/** Acknowledges what the application has taken, at least every so many events and every so often (PROTOCOL 4.5.2). */
export interface Acks {
  /** A connection is live; its `hello` acknowledged this cursor. */
  opened(cursor: number): void;
  /** The application has everything up to `cursor`; lower than before only after a reset. */
  moved(cursor: number): void;
  /** Acknowledges now what is left. */
  flush(): void;
  /** The connection is gone; the next `hello` acknowledges. */
  closed(): void;
}

export const ACK_EVENTS = 64;
export const ACK_PERIOD_MS = 1_000;

export function createAcks(write: (cursor: number) => void): Acks {
  let acknowledged: number | undefined;
  let cursor = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (acknowledged === undefined || cursor <= acknowledged) return;
    acknowledged = cursor;
    write(cursor);
  }

  function soon(): void {
    if (acknowledged === undefined || cursor <= acknowledged) return;
    if (cursor - acknowledged >= ACK_EVENTS) flush();
    else timer ??= setTimeout(flush, ACK_PERIOD_MS);
  }

  return {
    opened(at) {
      acknowledged = at;
      soon();
    },
    moved(to) {
      cursor = to;
      if (acknowledged !== undefined) acknowledged = Math.min(acknowledged, to);
      soon();
    },
    flush,
    closed() {
      clearTimeout(timer);
      timer = undefined;
      acknowledged = undefined;
    },
  };
}
