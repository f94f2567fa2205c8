import type { EventFrame, Reset } from './frames.ts';

/**
 * The stream of events on its way to the application: in order, each once, one at a time. An event counts
 * as handled, and is acknowledged, when the application's handler has returned and its promise, if it gave
 * one, is fulfilled. What waits for that survives a reconnect; the events that the server then tells again
 * are dropped by their lsn.
 */
export interface Inbox {
  /** The lsn that the application has handled; undefined before the first `welcome` if none was given. */
  readonly handled: number | undefined;
  /** The lsn that a frame must carry to be next. */
  readonly next: number;
  readonly full: boolean;
  /** Where the stream begins, if it hasn't yet. */
  begin(cursor: number): void;
  /** Takes the event if it is the next. */
  take(event: EventFrame): 'taken' | 'old' | 'gap';
  reset(reset: Reset): void;
  /** Resolves when at most half of what may wait is waiting. */
  drained(): Promise<void>;
  /** Hands over nothing more. */
  end(): void;
}

export interface InboxOptions {
  readonly cursor: number | undefined;
  readonly waitingMax: number;
  readonly event: (event: EventFrame) => void | Promise<void>;
  readonly reset: (reset: Reset) => void | Promise<void>;
  readonly handled: (cursor: number) => void;
  /** A handler threw; nothing more is handed over. */
  readonly failed: (thrown: unknown) => void;
}

export function createInbox(options: InboxOptions): Inbox {
  let handled = options.cursor;
  let taken = options.cursor;
  let waiting: (EventFrame | Reset)[] = [];
  let pumping = false;
  let ended = false;
  let drains: (() => void)[] = [];

  async function pump(): Promise<void> {
    pumping = true;
    try {
      for (let item = waiting.shift(); item !== undefined && !ended; item = waiting.shift()) {
        const done = item.type === 'event' ? options.event(item) : options.reset(item);
        if (done !== undefined) await done;
        if (ended) return;
        handled = item.type === 'event' ? item.lsn : item.cursor;
        options.handled(handled);
        if (waiting.length <= options.waitingMax / 2) wake();
      }
    } catch (thrown) {
      ended = true;
      options.failed(thrown);
    } finally {
      pumping = false;
    }
  }

  function wake(): void {
    const woken = drains;
    drains = [];
    for (const resolve of woken) resolve();
  }

  function push(item: EventFrame | Reset): void {
    waiting.push(item);
    if (!pumping && !ended) void pump();
  }

  return {
    get handled() {
      return handled;
    },
    get next() {
      return (taken ?? 0) + 1;
    },
    get full() {
      return waiting.length >= options.waitingMax;
    },
    begin(cursor) {
      taken ??= cursor;
      handled ??= cursor;
    },
    take(event) {
      const next = (taken ?? 0) + 1;
      if (event.lsn !== next) return event.lsn < next ? 'old' : 'gap';
      taken = next;
      push(event);
      return 'taken';
    },
    reset(reset) {
      taken = reset.cursor;
      push(reset);
    },
    drained() {
      if (waiting.length <= options.waitingMax / 2 || ended) return Promise.resolve();
      return new Promise((resolve) => drains.push(resolve));
    },
    end() {
      ended = true;
      waiting = [];
      wake();
    },
  };
}
