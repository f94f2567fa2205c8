import type { Clock, Timer } from '../clock.ts';
import { Failure } from '../failure.ts';
import { type Log, silentLog } from '../log.ts';
import { type Disk, type DiskBatch, openDisk } from './disk.ts';
import { FreeSpace } from './free-space.ts';
import { ENGINE_KEY, epochOf, tableValue } from './keys.ts';
import { LevelReads } from './level-reads.ts';
import { defaultLevelSettings, type LevelSettings } from './level-settings.ts';
import { put, putContested } from './level-writes.ts';
import { Pump } from './pump.ts';
import { ReadWindow } from './read-window.ts';
import { assertRead, assertWrite } from './row-rules.ts';
import type { Read, Row, Store, StoreStatus, Table, Write } from './store.ts';

export interface LevelOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly settings?: LevelSettings;
  readonly log?: Log;
}

/** Opens the embedded store in `directory`, which it owns alone. Throws a `StartError` where it can't. */
export async function openLevelStore({ directory, clock, settings = defaultLevelSettings, log = silentLog }: LevelOptions): Promise<Store> {
  return startLevelStore(await openDisk(directory), clock, settings, log);
}

/** The same on a disk of the caller's own. */
export async function startLevelStore(disk: Disk, clock: Clock, settings = defaultLevelSettings, log = silentLog): Promise<Store> {
  const standing = readStanding((await disk.getMany([ENGINE_KEY]))[0]);
  const store = new LevelStore(disk, clock, settings, log, standing);
  await store.freeSpace.check();
  return store;
}

/**
 * What the engine knows of itself. It is written with every batch: so after a failed write it can be told
 * from what is on disk whether that batch is.
 */
interface Standing {
  /** The highest epoch that was ever written. */
  readonly epoch: number;
  readonly batches: number;
}

const ENGINE_KEY_BYTES = Buffer.from(ENGINE_KEY);
const NO_BYTES = new Uint8Array(0);
const NOT_WRITTEN = 'nothing was stored';
/** What a row takes beside its payload: its key, twice in memory, and what LevelDB adds. */
const ROW_BYTES = 64;

function readStanding(value: Uint8Array | undefined): Standing {
  if (value === undefined) return { epoch: 0, batches: 0 };
  return { epoch: epochOf(value), batches: epochOf(value.subarray(1 + (value[0] as number))) };
}

class LevelStore implements Store {
  readonly traits = { ordered: true, durable: true };
  readonly freeSpace: FreeSpace;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #settings: LevelSettings;
  readonly #log: Log;
  readonly #pump: Pump<DiskBatch>;
  readonly #window: ReadWindow;
  readonly #reads: LevelReads;
  readonly #timers: readonly Timer[];
  #epoch: number;
  #batches: number;
  #closing: Promise<void> | undefined;
  /** Wakes up an attempt to recover that waits for its time. */
  #wakeUp: (() => void) | undefined;

  constructor(disk: Disk, clock: Clock, settings: LevelSettings, log: Log, { epoch, batches }: Standing) {
    this.#disk = disk;
    this.#clock = clock;
    this.#settings = settings;
    this.#log = log;
    this.#epoch = epoch;
    this.#batches = batches;
    this.freeSpace = new FreeSpace(settings.freeBytesMin, () => disk.freeBytes(), log);
    this.#window = new ReadWindow(clock, settings);
    this.#reads = new LevelReads(disk, this.#window, () => this.#epoch);
    this.#pump = new Pump(clock, settings, {
      begin: () => disk.batch(),
      drop: (batch) => batch.drop(),
      commit: (batch) => this.#commit(batch),
      recover: (cause) => this.#recover(cause),
    });
    this.#timers = [
      clock.every(settings.tickMs, () => {
        this.#pump.tick();
        this.#window.tick();
      }),
      clock.every(settings.freeCheckMs, () => void this.freeSpace.check()),
    ];
  }

  write(writes: readonly Write[]): Promise<void> {
    let bytes = 0;
    let contested = false;
    let prunes = false;
    let grows = false;
    try {
      for (const write of writes) {
        assertWrite(write);
        bytes += ROW_BYTES;
        if (write.kind === 'prune') prunes = true;
        if (write.kind !== 'append' && write.kind !== 'put') continue;
        bytes += write.payload.length;
        grows = true;
        if (write.epoch > this.#epoch) this.#epoch = write.epoch;
        else if (write.kind === 'put' && write.epoch < this.#epoch) contested = true;
      }
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (grows && this.freeSpace.below) return Promise.reject(this.#full());
    if (prunes) return this.#writeAndPrune(writes);
    if (contested) return this.#pump.submitLate(bytes, (batch) => putContested(batch, writes, this.#disk));
    return this.#pump.submit(bytes, (batch) => {
      for (const write of writes) put(batch, write);
    });
  }

  async read(read: Read): Promise<readonly Row[]> {
    assertRead(read);
    if (this.#closing !== undefined) throw closed();
    try {
      return await this.#reads.read(read);
    } catch (error) {
      throw unreadable(error);
    }
  }

  async owners(table: Table, after: string | undefined, limit: number): Promise<readonly string[]> {
    if (this.#closing !== undefined) throw closed();
    try {
      return await this.#reads.owners(table, after, limit);
    } catch (error) {
      throw unreadable(error);
    }
  }

  status(): StoreStatus {
    const full = this.freeSpace.below ? this.#full().message : undefined;
    return {
      engine: 'leveldb',
      writesPending: this.#pump.pending,
      oldestPendingMs: this.#pump.oldestMs,
      refusing: this.#closing === undefined ? (this.#pump.refusal?.message ?? full) : closed().message,
      diskFreeBytes: this.freeSpace.bytes,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#wakeUp?.();
    await this.#pump.drained();
    for (const timer of this.#timers) timer.cancel();
    await this.#disk.close();
  }

  /** Every batch says which it is and which epoch is the highest. */
  #commit(batch: DiskBatch): Promise<void> {
    this.#batches += 1;
    batch.put(ENGINE_KEY_BYTES, tableValue(this.#epoch, tableValue(this.#batches, NO_BYTES)));
    return batch.write();
  }

  /**
   * After a failed write the end of LevelDB's own log is uncertain: what is written after it might be lost
   * with it at the next start. So the files are opened anew, which cuts the log where it is whole. It is
   * tried on a full disk too, because it frees what a compaction left half done.
   */
  async #recover(cause: unknown): Promise<'stored' | 'not-stored'> {
    this.#log.error('store-write-failed', { error: cause });
    for (;;) {
      await this.freeSpace.check();
      if (this.#closing !== undefined) throw cause;
      try {
        await this.#disk.reopen();
        const { batches } = readStanding((await this.#disk.getMany([ENGINE_KEY]))[0]);
        const outcome = batches >= this.#batches ? 'stored' : 'not-stored';
        this.#log.info('store-recovered', { lastBatch: outcome });
        return outcome;
      } catch (error) {
        this.#log.error('store-reopen-failed', { error });
      }
      await new Promise<void>((resolve) => {
        this.#wakeUp = resolve;
        this.#clock.after(this.#settings.reopenMs, resolve);
      });
    }
  }

  /** Prunes come after all else in their call is stored, and in pieces, so that nobody waits for them. */
  async #writeAndPrune(writes: readonly Write[]): Promise<void> {
    const rest = writes.filter(({ kind }) => kind !== 'prune');
    if (rest.length > 0) await this.write(rest);
    for (const write of writes) {
      if (write.kind !== 'prune') continue;
      for (let from: string | undefined; ; ) {
        const keys = await this.#keysToPrune(write, from);
        if (keys.length === 0) break;
        from = keys.at(-1);
        if (this.#closing !== undefined) throw closed();
        await this.#pump.submit(keys.length * ROW_BYTES, (batch) => {
          for (const key of keys) batch.del(key);
        });
      }
    }
  }

  async #keysToPrune({ log, of, through }: Write & { readonly kind: 'prune' }, from: string | undefined): Promise<readonly string[]> {
    try {
      return await this.#reads.keys(log, of, from, through, this.#settings.pruneRowsMax);
    } catch (error) {
      throw unreadable(error);
    }
  }

  #full(): Failure {
    const { freeCheckMs, freeBytesMin } = this.#settings;
    const free = Math.floor((this.freeSpace.bytes ?? 0) / 2 ** 20);
    const message = `the disk is nearly full (${free} MiB free, ${Math.ceil(freeBytesMin / 2 ** 20)} wanted); ${NOT_WRITTEN}`;
    return new Failure('unavailable', message, { retryAfterMs: freeCheckMs });
  }
}

const closed = (): Failure => new Failure('unavailable', `the store is closed; ${NOT_WRITTEN}`);

function unreadable(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure('unavailable', 'the store can’t be read', { retryAfterMs: 1000, cause: error });
}
