import { NumberedQueue } from '../numbered-queue.ts';

/** A request that waits for its answer. */
export interface Request {
  readonly tag: number;
  readonly id: string | undefined;
  readonly clientId: string | undefined;
  /** What to do where no answer comes: tell `timeout` (it may have been done) or `unavailable`; ask again; give the connection up. */
  readonly late: 'timeout' | 'unavailable' | 'ask-again' | 'give-up';
  /** On the monotonic clock. */
  readonly since: number;
}

/** How many wait on the whole node. */
export interface RequestCount {
  waiting: number;
}

/** The requests of one session that wait for their answers, oldest first. */
export class Requests {
  private readonly count: RequestCount;
  private waiting: NumberedQueue<Request> | undefined;

  constructor(count: RequestCount) {
    this.count = count;
  }

  get size(): number {
    return this.waiting?.size ?? 0;
  }

  /** Tags ascend. */
  add(request: Request): void {
    this.waiting ??= new NumberedQueue();
    this.waiting.push(request.tag, request);
    this.count.waiting++;
  }

  waits(tag: number): boolean {
    return this.waiting?.get(tag) !== undefined;
  }

  /** The request that is answered now; undefined where it no longer waits. */
  take(tag: number): Request | undefined {
    const request = this.waiting?.get(tag);
    if (request === undefined) return undefined;
    this.waiting?.delete(tag);
    this.count.waiting--;
    return request;
  }

  /** Takes those that have waited since before this moment. */
  expired(before: number): readonly Request[] {
    if (this.waiting === undefined) return NONE;
    // A session at rest keeps no table.
    if (this.waiting.size === 0) this.waiting = undefined;
    let expired: Request[] | undefined;
    for (let oldest = this.waiting?.oldest; oldest !== undefined && oldest.since < before; oldest = this.waiting?.oldest) {
      expired ??= [];
      expired.push(oldest);
      this.take(oldest.tag);
    }
    return expired ?? NONE;
  }

  clear(): void {
    this.count.waiting -= this.size;
    this.waiting = undefined;
  }
}

const NONE: readonly Request[] = [];
