import type { Disk, DiskRange, KeyRange } from './disk.ts';
import { logRow, logStart, ownerEnd, ownerIn, spaceEnd, spaceStart, tableKeyText, tableRow } from './keys.ts';
import { busy, type ReadWindow } from './read-window.ts';
import { rowsEndBy } from './row-rules.ts';
import type { LogName, Read, Row, Table } from './store.ts';
import { POSITIONS_PER_PARTITION } from './store.ts';

type Forward = Read & { readonly kind: 'forward' };
type Backward = Read & { readonly kind: 'backward' };
type Rows = Read & { readonly kind: 'rows' };

interface Get {
  readonly key: string;
  resolve(value: Uint8Array | undefined): void;
  reject(reason: unknown): void;
}

/** What a position takes, roughly: how far to read ahead where a page is asked for by positions. */
const POSITION_BYTES = 256;
const READ_BYTES_MIN = 4096;
const READ_BYTES_MAX = 256 * 1024;
/** Keys of one getMany: enough to make the hop to another thread cheap, few enough to be quick. */
const GETS_MAX = 64;
const GETS_WAITING_MAX = 10_000;
const STRADDLING_STEP = 4;
const OWNERS_STEP_MAX = 1000;

const bytesFor = (positions: number): number => Math.min(READ_BYTES_MAX, Math.max(READ_BYTES_MIN, positions * POSITION_BYTES));

/**
 * Reads over LevelDB. What a read costs is the hop to another thread (25 µs), 3 µs for each row of a range,
 * and 5 µs for a row by key; so rows by key that are asked for at the same time share a hop.
 */
export class LevelReads {
  readonly #disk: Disk;
  readonly #window: ReadWindow;
  /** The highest epoch that any stored row may have. */
  readonly #epochMax: () => number;
  #gets: Get[] = [];
  #getting = false;

  constructor(disk: Disk, window: ReadWindow, epochMax: () => number) {
    this.#disk = disk;
    this.#window = window;
    this.#epochMax = epochMax;
  }

  read(read: Read): Promise<readonly Row[]> {
    switch (read.kind) {
      case 'row':
        return this.#row(read.table, read.of, read.key);
      case 'rows':
        return this.#window.run(() => this.#rows(read));
      case 'forward':
        return this.#window.run(() => this.#forward(read));
      case 'backward':
        return this.#window.run(() => this.#backward(read));
    }
  }

  /** Keys of log rows whose last position is in `after`+1 … `through`, ascending. */
  keys(log: LogName, of: string, from: string | undefined, through: number, count: number): Promise<readonly string[]> {
    const start: KeyRange = { ...ASCENDING, from: from ?? logStart(log, of, 0), before: logStart(log, of, through + 1), values: false };
    return this.#window.run(async () => {
      const range = this.#disk.range(from === undefined ? start : { ...start, after: true });
      try {
        return (await range.next(count)).map(([key]) => key);
      } finally {
        range.close();
      }
    });
  }

  /** The owners' rows lie between, so it goes over them in steps, each beginning after an owner. */
  async owners(table: Table, after: string | undefined, limit: number): Promise<readonly string[]> {
    const owners: string[] = [];
    let from = after === undefined ? spaceStart(table) : ownerEnd(table, after);
    for (const before = spaceEnd(table); owners.length < limit; ) {
      const range: KeyRange = { ...ASCENDING, from, before, values: false };
      const keys = await this.#window.run(() => this.#take(range, Math.min(limit, OWNERS_STEP_MAX)));
      for (const [key] of keys) {
        const owner = ownerIn(key);
        if (owner !== owners.at(-1) && owners.length < limit) owners.push(owner);
      }
      const last = keys.at(-1);
      if (last === undefined) break;
      from = ownerEnd(table, ownerIn(last[0]));
    }
    return owners;
  }

  async #row(table: Table, of: string, key: string): Promise<readonly Row[]> {
    if (this.#gets.length >= GETS_WAITING_MAX) throw busy();
    const text = tableKeyText(table, of, key);
    const value = await new Promise<Uint8Array | undefined>((resolve, reject) => {
      this.#gets.push({ key: text, resolve, reject });
      if (!this.#getting) this.#getSoon();
    });
    return value === undefined ? [] : [tableRow(text, value)];
  }

  #getSoon(): void {
    this.#getting = true;
    const all = this.#window.run(async () => {
      // What is asked for in the same turn comes along.
      await undefined;
      const gets = this.#gets.splice(0, GETS_MAX);
      this.#getting = false;
      if (this.#gets.length > 0) this.#getSoon();
      try {
        const values = await this.#disk.getMany(gets.map(({ key }) => key));
        gets.forEach(({ resolve }, i) => {
          resolve(values[i]);
        });
      } catch (error) {
        for (const { reject } of gets) reject(error);
      }
    });
    all.catch((refused: unknown) => {
      this.#getting = false;
      for (const { reject } of this.#gets.splice(0)) reject(refused);
    });
  }

  async #rows({ table, of, after, limit }: Rows): Promise<readonly Row[]> {
    const start = after === undefined ? {} : ({ after: true } as const);
    const range: KeyRange = {
      ...ASCENDING,
      ...start,
      from: tableKeyText(table, of, after ?? ''),
      before: ownerEnd(table, of),
      bytesMax: bytesFor(limit),
    };
    return (await this.#take(range, limit)).map(([key, value]) => tableRow(key, value));
  }

  async #take(keys: KeyRange, limit: number): Promise<(readonly [string, Uint8Array])[]> {
    const taken: (readonly [string, Uint8Array])[] = [];
    const range = this.#disk.range(keys);
    try {
      while (taken.length < limit) {
        const page = await range.next(limit - taken.length);
        if (page.length === 0) break;
        for (const pair of page) taken.push(pair);
      }
    } finally {
      range.close();
    }
    return taken;
  }

  async #forward({ log, of, after, through, limit }: Forward): Promise<readonly Row[]> {
    if (through !== undefined && through <= after) return [];
    const before = through === undefined ? ownerEnd(log, of) : logStart(log, of, rowsEndBy(through) + 1);
    const bytesMax = bytesFor(through === undefined ? limit : Math.min(limit, through - after));
    const range = this.#disk.range({ ...ASCENDING, from: logStart(log, of, after + 1), before, bytesMax });
    try {
      return await this.#upTo(range, through, limit, limit);
    } finally {
      range.close();
    }
  }

  /**
   * Rows of the range that hold a position up to `through`. They are sorted by their last position, so one
   * may come after others that begin beyond `through`: but none that counts can come after a row of the
   * highest epoch, because its writer has read all that counts before it.
   */
  async #upTo(range: DiskRange, through: number | undefined, limit: number, step: number): Promise<Row[]> {
    const rows: Row[] = [];
    while (rows.length < limit) {
      const page = await range.next(Math.min(step, limit - rows.length));
      if (page.length === 0) break;
      for (const [key, value] of page) {
        const row = logRow(key, value);
        if (through === undefined || row.first <= through) rows.push(row);
        else if (row.epoch >= this.#epochMax()) return rows;
      }
    }
    return rows;
  }

  async #backward({ log, of, before, limit }: Backward): Promise<readonly Row[]> {
    const rows = before === undefined ? [] : await this.#straddling(log, of, before, limit);
    if (rows.length >= limit) return rows;
    const end = before === undefined ? ownerEnd(log, of) : logStart(log, of, before);
    const range: KeyRange = { from: logStart(log, of, 0), before: end, order: 'descending', values: true, bytesMax: bytesFor(limit) };
    for (const [key, value] of await this.#take(range, limit - rows.length)) rows.push(logRow(key, value));
    return rows;
  }

  /** The rows that begin before `before` and don't end there, descending. */
  async #straddling(log: LogName, of: string, before: number, limit: number): Promise<Row[]> {
    if (before <= 1 || before % POSITIONS_PER_PARTITION === 0) return [];
    const end = logStart(log, of, rowsEndBy(before - 1) + 1);
    const range = this.#disk.range({ ...ASCENDING, from: logStart(log, of, before), before: end, bytesMax: READ_BYTES_MIN });
    try {
      const rows = await this.#upTo(range, before - 1, Number.MAX_SAFE_INTEGER, STRADDLING_STEP);
      return rows.reverse().slice(0, limit);
    } finally {
      range.close();
    }
  }
}

const ASCENDING = { order: 'ascending', values: true, bytesMax: READ_BYTES_MAX } as const;
