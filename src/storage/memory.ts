import type { Clock } from '../clock.ts';
import { Failure } from '../failure.ts';
import { assertRead, assertWrite } from './row-rules.ts';
import type { LogName, Read, Row, Store, StoreStatus, Table, Write } from './store.ts';

interface TableRow {
  /** The bytes of the key, one a character: their order is the order of rows. */
  readonly bytes: string;
  readonly row: Row;
}

/** One character a byte of UTF-8, because JavaScript itself compares strings by UTF-16 units. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');
const textOf = (bytes: string): string => Buffer.from(bytes, 'latin1').toString();

/** The first index at which `isAfter` holds, in an array sorted so that it then holds to the end. */
function lowest<Item>(items: readonly Item[], isAfter: (item: Item) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(items[middle] as Item)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The store of tests and of the simulator: what the port promises but for durability, in sorted arrays. */
export function openMemoryStore({ clock }: { readonly clock: Clock }): Store {
  return new MemoryStore(clock);
}

class MemoryStore implements Store {
  readonly traits = { ordered: true, durable: false };
  readonly #clock: Clock;
  /** By log and owner: rows by last position, then epoch. */
  readonly #logs = new Map<string, Row[]>();
  /** By table and the bytes of the owner: rows by the bytes of their key. */
  readonly #tables = new Map<Table, Map<string, TableRow[]>>();
  #waiting: { readonly writes: readonly Write[]; readonly resolve: () => void }[] = [];
  #waitingSince = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Stores what was written in this turn together, when the turn has ended. */
  async write(writes: readonly Write[]): Promise<void> {
    for (const write of writes) assertWrite(write);
    if (this.#closed) throw closed();
    if (this.#waiting.length === 0) {
      this.#waitingSince = this.#clock.monotonic();
      this.#clock.soon(() => this.#store());
    }
    await new Promise<void>((resolve) => this.#waiting.push({ writes, resolve }));
  }

  async read(read: Read): Promise<readonly Row[]> {
    assertRead(read);
    if (this.#closed) throw closed();
    switch (read.kind) {
      case 'row': {
        const { row } = this.#place(read.table, read.of, read.key);
        return row === undefined ? [] : [row];
      }
      case 'rows': {
        const rows = this.#rows(read.table, read.of);
        const after = read.after === undefined ? undefined : bytesOf(read.after);
        const start = after === undefined ? 0 : lowest(rows, (row) => row.bytes > after);
        return rows.slice(start, start + read.limit).map(({ row }) => row);
      }
      case 'forward': {
        const { after, through = Number.POSITIVE_INFINITY, limit } = read;
        const rows = this.#log(read.log, read.of);
        const found: Row[] = [];
        for (let i = lowest(rows, (row) => row.last > after); i < rows.length && found.length < limit; i++) {
          const row = rows[i] as Row;
          if (row.first <= through && after < through) found.push(row);
        }
        return found;
      }
      case 'backward': {
        const { before = Number.POSITIVE_INFINITY, limit } = read;
        const rows = this.#log(read.log, read.of);
        const found: Row[] = [];
        for (let i = rows.length - 1; i >= 0 && found.length < limit; i--) {
          const row = rows[i] as Row;
          if (row.first < before) found.push(row);
        }
        return found;
      }
    }
  }

  async owners(table: Table, after: string | undefined, limit: number): Promise<readonly string[]> {
    if (this.#closed) throw closed();
    const from = after === undefined ? undefined : bytesOf(after);
    const owners = [...(this.#tables.get(table)?.keys() ?? [])].filter((owner) => from === undefined || owner > from);
    return owners.sort().slice(0, limit).map(textOf);
  }

  status(): StoreStatus {
    return {
      engine: 'memory',
      writesPending: this.#waiting.length,
      oldestPendingMs: this.#waiting.length === 0 ? 0 : this.#clock.monotonic() - this.#waitingSince,
      refusing: this.#closed ? closed().message : undefined,
      diskFreeBytes: undefined,
    };
  }

  async close(): Promise<void> {
    this.#store();
    this.#closed = true;
  }

  #store(): void {
    for (const { writes, resolve } of this.#waiting.splice(0)) {
      for (const write of writes) this.#apply(write);
      resolve();
    }
  }

  #apply(write: Write): void {
    switch (write.kind) {
      case 'append': {
        const { first, last, epoch, payload } = write;
        const rows = this.#log(write.log, write.of);
        const at = lowest(rows, (row) => row.last > last || (row.last === last && row.epoch >= epoch));
        const same = rows[at]?.last === last && rows[at]?.epoch === epoch;
        rows.splice(at, same ? 1 : 0, { first, last, key: '', epoch, payload });
        if (rows.length === 1) this.#logs.set(`${write.log} ${write.of}`, rows);
        return;
      }
      case 'put': {
        const { key, epoch, payload } = write;
        const { rows, at, row: old } = this.#place(write.table, write.of, key);
        if (old !== undefined && old.epoch > epoch) return;
        const row = { first: 0, last: 0, key, epoch, payload };
        rows.splice(at, old === undefined ? 0 : 1, { bytes: bytesOf(key), row });
        if (rows.length === 1) this.#owners(write.table).set(bytesOf(write.of), rows);
        return;
      }
      case 'delete': {
        const { rows, at, row } = this.#place(write.table, write.of, write.key);
        if (row !== undefined) rows.splice(at, 1);
        if (rows.length === 0) this.#owners(write.table).delete(bytesOf(write.of));
        return;
      }
      case 'prune': {
        const rows = this.#log(write.log, write.of);
        const kept = lowest(rows, (row) => row.last > write.through);
        rows.splice(0, kept);
        if (rows.length === 0) this.#logs.delete(`${write.log} ${write.of}`);
      }
    }
  }

  #log(log: LogName, of: string): Row[] {
    return this.#logs.get(`${log} ${of}`) ?? [];
  }

  #owners(table: Table): Map<string, TableRow[]> {
    const owners = this.#tables.get(table) ?? new Map<string, TableRow[]>();
    this.#tables.set(table, owners);
    return owners;
  }

  #rows(table: Table, of: string): TableRow[] {
    return this.#tables.get(table)?.get(bytesOf(of)) ?? [];
  }

  /** Where a row is, or would be. */
  #place(table: Table, of: string, key: string): { rows: TableRow[]; at: number; row: Row | undefined } {
    const bytes = bytesOf(key);
    const rows = this.#rows(table, of);
    const at = lowest(rows, (other) => other.bytes >= bytes);
    return { rows, at, row: rows[at]?.bytes === bytes ? rows[at].row : undefined };
  }
}

const closed = (): Failure => new Failure('unavailable', 'the store is closed; nothing was stored');
