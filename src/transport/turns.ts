import type { Clock, Timer } from '../clock.ts';
import { CLOSE } from '../close-codes.ts';
import type { Log } from '../log.ts';

export interface Flushed {
  /** Writes what has gathered. */
  flush(): void;
  close(code: number, reason: string): void;
}

export interface Holding {
  /** Lets go of what has been held long enough. Gives until when it holds more; 0: it holds nothing. */
  release(now: number): number;
}

/** How often held entries are looked at. */
const RELEASE_EVERY_MS = 5;

/**
 * What sessions do together. Frames gather until the event loop has handled what is ready, so each socket is
 * written to once a turn; and one timer serves all who hold something.
 */
export class Turns {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly flushed: () => void;
  private ready: Flushed[] = [];
  private flushing: Flushed[] = [];
  /** And until when each holds: about in that order, since all hold for as long. */
  private readonly holding = new Map<Holding, number>();
  private timer: Timer | undefined;
  /** Seconds on the monotonic clock, as of the last sweep: near enough for silence and the like. */
  second: number;

  /** `flushed` is called when all of a turn's sessions were flushed. */
  constructor(clock: Clock, log: Log, flushed: () => void) {
    this.clock = clock;
    this.log = log;
    this.flushed = flushed;
    this.second = Math.floor(clock.monotonic() / 1000);
  }

  /** To be called once by a session that has something to write, until it is flushed. */
  add(session: Flushed): void {
    if (this.ready.push(session) === 1) this.clock.soon(this.flush);
  }

  hold(session: Holding, until: number): void {
    if (!this.holding.has(session)) this.holding.set(session, until);
    this.timer ??= this.clock.every(RELEASE_EVERY_MS, this.release);
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.holding.clear();
  }

  private readonly flush = (): void => {
    const sessions = this.ready;
    this.ready = this.flushing;
    this.flushing = sessions;
    for (const session of sessions) {
      try {
        session.flush();
      } catch (error) {
        // Our bug costs the session that met it, not those behind it.
        this.log.error('flush-failed', { error });
        session.close(CLOSE.broken, 'internal error');
      }
    }
    sessions.length = 0;
    this.flushed();
  };

  private readonly release = (): void => {
    const now = this.clock.monotonic();
    for (const [session, until] of this.holding) {
      if (until > now) break;
      this.holding.delete(session);
      const next = session.release(now);
      if (next > 0) this.holding.set(session, next);
    }
    if (this.holding.size > 0) return;
    this.timer?.cancel();
    this.timer = undefined;
  };
}
