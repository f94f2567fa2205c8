import type { Clock } from '../clock.ts';
import { Failure } from '../failure.ts';

export interface PumpSettings {
  /** A batch takes no more calls once it has this many bytes. */
  readonly batchBytesMax: number;
  /** What may wait, in bytes and in calls; more is refused. */
  readonly pendingBytesMax: number;
  readonly pendingCallsMax: number;
  /** What hasn't been given to the engine after this time is withdrawn. */
  readonly queueDeadlineMs: number;
  /** While the engine works on one batch for longer than this, nothing new is taken. */
  readonly stallMs: number;
}

/** What the pump drives: an engine that writes one batch at a time. */
export interface PumpEngine<Batch> {
  begin(): Batch;
  /** Forgets a batch that was never given to `commit`. */
  drop(batch: Batch): void;
  /** Resolves when the batch is durable. After a rejection nothing is begun until `recover` has ended. */
  commit(batch: Batch): Promise<void>;
  /** Makes the engine fit for work after a failed commit, however long it takes, and says whether the batch was stored after all. */
  recover(cause: unknown): Promise<'stored' | 'not-stored'>;
}

interface Call {
  resolve(): void;
  reject(failure: Failure): void;
}

interface Group<Batch> {
  readonly batch: Batch;
  /** Fills the batch when its turn comes. */
  readonly late: ((batch: Batch) => Promise<void>) | undefined;
  readonly calls: Call[];
  /** When its first call came. */
  readonly since: number;
  bytes: number;
}

const RETRY_FULL_MS = 200;
/**
 * Gathers the writes of many callers into batches and gives them to the engine one by one, in order. While
 * one batch is written the next is filled, so that encoding and writing go on at the same time.
 *
 * When a batch fails, all that waits is withdrawn at once: its callers read `unavailable`, and nothing of
 * it is stored. The callers of the failed batch wait until the engine is well and knows what became of it.
 * So a caller always learns the truth, and an engine that fails looks to it like one that hangs.
 */
export class Pump<Batch> {
  readonly #clock: Clock;
  readonly #settings: PumpSettings;
  readonly #engine: PumpEngine<Batch>;
  #queue: Group<Batch>[] = [];
  #underWay: Group<Batch> | undefined;
  /** When the engine got what is under way. */
  #startedAt = 0;
  #running = false;
  #bytes = 0;
  #calls = 0;
  #refusal: Failure | undefined;
  /** It will be looked at in a later turn whether what is refused can be taken again. */
  #reconsidering = false;
  #failing = false;
  #idle: (() => void)[] = [];

  constructor(clock: Clock, settings: PumpSettings, engine: PumpEngine<Batch>) {
    this.#clock = clock;
    this.#settings = settings;
    this.#engine = engine;
  }

  /** Why nothing new is taken at the moment. */
  get refusal(): Failure | undefined {
    return this.#refusal;
  }

  get pending(): number {
    return this.#calls;
  }

  /** How long the oldest call has been waiting. */
  get oldestMs(): number {
    const oldest = this.#underWay ?? this.#queue[0];
    return oldest === undefined ? 0 : this.#clock.monotonic() - oldest.since;
  }

  /** `fill` puts what is to be written into the batch, at once; it can't fail. */
  submit(bytes: number, fill: (batch: Batch) => void): Promise<void> {
    const refusal = this.#refuses(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    const open = this.#queue.at(-1);
    const joins = open !== undefined && open.late === undefined && open.bytes < this.#settings.batchBytesMax;
    const group = joins ? open : this.#enqueue(undefined);
    fill(group.batch);
    return this.#join(group, bytes);
  }

  /** Like `submit`, for what can be put into a batch only when all before it is stored; it gets a batch of its own. */
  submitLate(bytes: number, fill: (batch: Batch) => Promise<void>): Promise<void> {
    const refusal = this.#refuses(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.#join(this.#enqueue(fill), bytes);
  }

  /** To be called several times a second: keeps the deadlines. */
  tick(): void {
    const now = this.#clock.monotonic();
    const oldest = this.#queue[0];
    if (oldest !== undefined && now - oldest.since >= this.#settings.queueDeadlineMs) {
      this.#withdraw(this.#refuse('the store is slow; nothing was stored', this.#settings.stallMs));
    }
    if (this.#isStalled()) this.#refusal ??= this.#refuse('the store doesn’t answer; nothing was stored', this.#settings.stallMs);
    else this.#reconsider();
  }

  /** Resolves when nothing is under way. */
  drained(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  #refuses(bytes: number): Failure | undefined {
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#bytes + bytes <= this.#settings.pendingBytesMax && this.#calls < this.#settings.pendingCallsMax) return undefined;
    // One write larger than the limit may still go alone.
    if (this.#calls === 0) return undefined;
    return this.#refuse('too much is waiting to be stored; nothing was stored', RETRY_FULL_MS);
  }

  /**
   * Refuses what comes until a later turn at least: the callers of this turn haven't heard yet, and what
   * they submit may follow from what was refused.
   */
  #refuse(message: string, retryAfterMs: number, cause?: unknown): Failure {
    this.#refusal = new Failure('unavailable', message, { retryAfterMs, cause });
    this.#reconsiderSoon();
    return this.#refusal;
  }

  #reconsiderSoon(): void {
    if (this.#reconsidering) return;
    this.#reconsidering = true;
    this.#clock.soon(() => {
      this.#reconsidering = false;
      this.#reconsider();
    });
  }

  #reconsider(): void {
    if (!this.#failing && !this.#reconsidering && !this.#isStalled()) this.#refusal = undefined;
  }

  #isStalled(): boolean {
    return this.#underWay !== undefined && this.#clock.monotonic() - this.#startedAt >= this.#settings.stallMs;
  }

  #enqueue(late: Group<Batch>['late']): Group<Batch> {
    const group = { batch: this.#engine.begin(), late, calls: [], since: this.#clock.monotonic(), bytes: 0 };
    this.#queue.push(group);
    return group;
  }

  #join(group: Group<Batch>, bytes: number): Promise<void> {
    group.bytes += bytes;
    this.#bytes += bytes;
    this.#calls += 1;
    if (!this.#running) this.#start();
    return new Promise((resolve, reject) => group.calls.push({ resolve, reject }));
  }

  #start(): void {
    this.#running = true;
    // Whoever writes now may write more before it lets go of the processor.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    for (let group = this.#queue.shift(); group !== undefined; group = this.#queue.shift()) {
      this.#startedAt = this.#clock.monotonic();
      this.#underWay = group;
      const failure = await this.#write(group);
      this.#underWay = undefined;
      if (this.#refusal !== undefined) this.#reconsiderSoon();
      this.#settle(group, failure);
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #write({ batch, late }: Group<Batch>): Promise<Failure | undefined> {
    try {
      if (late !== undefined) await late(batch);
    } catch (cause) {
      this.#engine.drop(batch);
      return this.#withdraw(this.#refuse('the store can’t be read; nothing was stored', this.#settings.stallMs, cause));
    }
    try {
      await this.#engine.commit(batch);
      return undefined;
    } catch (cause) {
      return await this.#fail(cause);
    }
  }

  async #fail(cause: unknown): Promise<Failure | undefined> {
    this.#failing = true;
    const failure = this.#withdraw(this.#refuse('the store failed; nothing was stored', this.#settings.stallMs, cause));
    try {
      return (await this.#engine.recover(cause)) === 'stored' ? undefined : failure;
    } catch (reason) {
      return new Failure('timeout', 'the store failed, and it isn’t known whether this was stored', { cause: reason });
    } finally {
      this.#failing = false;
    }
  }

  /** All that waits fails with what was before it. */
  #withdraw(failure: Failure): Failure {
    for (const group of this.#queue.splice(0)) {
      this.#engine.drop(group.batch);
      this.#settle(group, failure);
    }
    return failure;
  }

  #settle(group: Group<Batch>, failure: Failure | undefined): void {
    this.#bytes -= group.bytes;
    this.#calls -= group.calls.length;
    if (failure === undefined) for (const call of group.calls) call.resolve();
    else for (const call of group.calls) call.reject(failure);
  }
}
