import { systemClock } from '../../src/clock.ts';
import { openMemoryStore } from '../../src/storage/memory.ts';
import type { Read, Row, Store, Table, Write } from '../../src/storage/store.ts';
import type { Place } from './rule.ts';

/** An engine with one mistake that engines have had. */
export interface Mutant {
  readonly name: string;
  readonly of: 'memory' | 'leveldb';
  /** It has no mistake: it shows that the others are caught for theirs. */
  readonly sound?: true;
  readonly change: (place: Place) => Place;
}

type Change = (store: Store) => Partial<Pick<Store, 'traits' | 'write' | 'read' | 'owners'>>;

const changed =
  (change: Change) =>
  (place: Place): Place => {
    const store = place.store;
    const { traits = store.traits, write, read, owners } = change(store);
    return {
      ...place,
      store: {
        traits,
        write: write ?? ((writes) => store.write(writes)),
        read: read ?? ((one) => store.read(one)),
        owners: owners ?? ((table, after, limit) => store.owners(table, after, limit)),
        status: () => store.status(),
        close: () => store.close(),
      },
    };
  };

const memory = (name: string, change: Change): Mutant => ({ name, of: 'memory', change: changed(change) });

/** Every read of a store goes through `map`. */
const reading =
  (map: (rows: readonly Row[], read: Read) => readonly Row[], widen: (read: Read) => Read = (read) => read): Change =>
  (store) => ({ read: async (read) => map(await store.read(widen(read)), read) });

/** Every write goes through `map`. */
const writing =
  (map: (writes: readonly Write[]) => readonly Write[]): Change =>
  (store) => ({ write: (writes) => store.write(map(writes)) });

const owned = <Item extends { readonly of: string }>(item: Item, of: string): Item => ({ ...item, of });

/** Puts owner and key together without an end between them. */
const joined = (write: Write): Write =>
  write.kind === 'put' || write.kind === 'delete' ? { ...write, of: '', key: `${write.of}${write.key}` } : write;

const shared = new Uint8Array(2 ** 21);

export const mutants: readonly Mutant[] = [
  { ...memory('no mistake', () => ({})), sound: true },
  { name: 'no mistake on disk', of: 'leveldb', sound: true, change: changed(() => ({})) },

  memory('owner and key run together', (store) => ({
    write: (writes) => store.write(writes.filter(({ kind, of }) => kind !== 'put' || of.length < 100).map(joined)),
    read: async (read) => {
      if (read.kind !== 'row' && read.kind !== 'rows') return store.read(read);
      if (read.kind === 'row') return store.read({ ...read, of: '', key: `${read.of}${read.key}` });
      const rows = await store.read({ ...read, of: '', after: `${read.of}${read.after ?? ''}` });
      return rows.filter(({ key }) => key.startsWith(read.of)).map((row) => ({ ...row, key: row.key.slice(read.of.length) }));
    },
  })),
  memory('a log reads into the next owner with the same beginning', (store) => ({
    read: async (read) => {
      const rows = await store.read(read);
      if (read.kind !== 'forward' || rows.length >= read.limit) return rows;
      return [...rows, ...(await store.read(owned(read, `${read.of}\x00`)))].slice(0, read.limit);
    },
  })),
  memory('an owner ends at its first 0x00', (store) => {
    const cut = <Item extends { readonly of: string }>(item: Item): Item => owned(item, item.of.split('\x00')[0] ?? '');
    return { write: (writes) => store.write(writes.map(cut)), read: (read) => store.read(cut(read)) };
  }),
  memory(
    'positions sort as text',
    reading((rows, { kind }) => (kind === 'forward' ? [...rows].sort((a, b) => (`${a.last}` < `${b.last}` ? -1 : 1)) : rows)),
  ),
  memory(
    'positions are 32 bits wide',
    writing((writes) =>
      writes.map((write) =>
        write.kind === 'append' && write.last >= 2 ** 32
          ? { ...write, first: write.first % 2 ** 32 || 1, last: write.last % 2 ** 32 || 1 }
          : write,
      ),
    ),
  ),
  memory(
    'keys sort as JavaScript sorts',
    reading((rows, { kind }) => (kind === 'rows' ? [...rows].sort((a, b) => (a.key < b.key ? -1 : 1)) : rows)),
  ),
  memory(
    'it forgets the last write of a long call',
    writing((writes) => (writes.length > 4 ? writes.slice(0, -1) : writes)),
  ),
  memory('calls of one turn take each other’s place', (store) => {
    let latest: readonly Write[] = [];
    return {
      write: async (writes) => {
        latest = writes;
        await undefined;
        if (latest === writes || writes.some(({ kind }) => kind === 'prune')) await store.write(writes);
      },
    };
  }),
  memory('calls of one turn are stored in reverse', (store) => {
    const turn: { readonly writes: readonly Write[]; done(): void; failed(reason: unknown): void }[] = [];
    return {
      write: (writes) =>
        new Promise<void>((done, failed) => {
          if (turn.push({ writes, done, failed }) > 1) return;
          queueMicrotask(() => {
            for (const call of turn.splice(0).reverse()) store.write(call.writes).then(call.done, call.failed);
          });
        }),
    };
  }),
  memory('it answers before it has stored', (store) => ({
    write: async (writes) => {
      if (store.status().refusing !== undefined) return store.write(writes);
      await Promise.race([store.write(writes), new Promise((resolve) => queueMicrotask(() => queueMicrotask(() => resolve(undefined))))]);
    },
  })),
  memory(
    'of a table’s row the latest write counts, not the highest epoch',
    writing((writes) =>
      writes.flatMap((write): Write[] =>
        write.kind === 'put' ? [{ kind: 'delete', table: write.table, of: write.of, key: write.key }, write] : [write],
      ),
    ),
  ),
  memory('the first write of an epoch counts', (store) => ({
    write: async (writes) => {
      const kept: Write[] = [];
      for (const write of writes) {
        const [old] = write.kind === 'put' ? await store.read({ ...write, kind: 'row' }) : [];
        if (write.kind !== 'put' || old === undefined || old.epoch < write.epoch) kept.push(write);
      }
      await store.write(kept);
    },
  })),
  memory(
    'of a log’s rows only the latest epoch is given',
    reading((rows, { kind }) => (kind === 'forward' ? rows.filter((row, i) => rows[i + 1]?.last !== row.last) : rows)),
  ),
  memory('a delete leaves the rows of older epochs', (store) => {
    const older = new Map<string, Row>();
    const id = (write: { readonly table: Table; readonly of: string; readonly key: string }): string =>
      JSON.stringify([write.table, write.of, write.key]);
    return {
      write: async (writes) => {
        for (const write of writes) {
          if (write.kind !== 'put') continue;
          const [row] = await store.read({ ...write, kind: 'row' });
          if (row !== undefined && row.epoch > write.epoch) older.set(id(write), { ...row, payload: write.payload, epoch: write.epoch });
        }
        await store.write(writes);
      },
      read: async (read) => {
        const rows = await store.read(read);
        const left = read.kind === 'row' && rows.length === 0 ? older.get(id(read)) : undefined;
        return left === undefined ? rows : [left];
      },
    };
  }),
  memory(
    'deleted rows are still given',
    writing((writes) => writes.filter(({ kind }) => kind !== 'delete')),
  ),
  memory(
    'a read begins with the row before its bound',
    reading(
      (rows, read) => (read.kind === 'forward' ? rows.slice(0, read.limit) : rows),
      (read) => (read.kind === 'forward' && read.after > 0 ? { ...read, after: read.after - 1 } : read),
    ),
  ),
  memory(
    'a read ends before its last position',
    reading(
      (rows) => rows,
      (read) => (read.kind === 'forward' && read.through !== undefined ? { ...read, through: read.through - 1 } : read),
    ),
  ),
  memory(
    'a row that begins within the bounds and ends beyond is left out',
    reading((rows, read) => (read.kind === 'forward' ? rows.filter(({ last }) => last <= (read.through ?? last)) : rows)),
  ),
  memory(
    'backward gives the row at its bound',
    reading(
      (rows) => rows,
      (read) => (read.kind === 'backward' && read.before !== undefined ? { ...read, before: read.before + 1 } : read),
    ),
  ),
  memory(
    'backward leaves out the row around its bound',
    reading((rows, read) =>
      read.kind === 'backward' ? rows.filter(({ last }) => last < (read.before ?? Number.POSITIVE_INFINITY)) : rows,
    ),
  ),
  memory('a range begins with the key it should go on after', (store) => ({
    read: async (read) => {
      const rows = await store.read(read);
      if (read.kind !== 'rows' || read.after === undefined) return rows;
      return [...(await store.read({ ...read, kind: 'row', key: read.after })), ...rows].slice(0, read.limit);
    },
  })),
  memory(
    'a read gives one row more than its limit',
    reading(
      (rows) => rows,
      (read) => ('limit' in read && read.limit > 0 ? { ...read, limit: read.limit + 1 } : read),
    ),
  ),
  memory(
    'a read gives at most a thousand rows',
    reading((rows) => rows.slice(0, 1000)),
  ),
  memory(
    'pruning takes the row around its bound',
    writing((writes) =>
      writes.map((write) => (write.kind === 'prune' && write.through > 0 ? { ...write, through: write.through + 1 } : write)),
    ),
  ),
  memory(
    'pruning stops after a thousand rows',
    writing((writes) => writes.map((write) => (write.kind === 'prune' ? { ...write, through: Math.min(write.through, 1000) } : write))),
  ),
  memory('owners of deleted rows are still listed', (store) => {
    const ever = new Map<Table, Set<string>>();
    return {
      write: (writes) => {
        for (const write of writes) if (write.kind === 'put') ever.set(write.table, (ever.get(write.table) ?? new Set()).add(write.of));
        return store.write(writes);
      },
      owners: async (table, after, limit) => {
        if (store.status().refusing !== undefined) return store.owners(table, after, limit);
        const all = [...(ever.get(table) ?? [])].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        return all.filter((owner) => after === undefined || Buffer.compare(Buffer.from(owner), Buffer.from(after)) > 0).slice(0, limit);
      },
    };
  }),
  memory(
    'payloads are views of a buffer that is used again',
    reading((rows) => {
      let end = 0;
      return rows.map((row) => {
        shared.set(row.payload, end);
        end += row.payload.length;
        return { ...row, payload: shared.subarray(end - row.payload.length, end) };
      });
    }),
  ),
  memory(
    'payloads are the whole buffers that they were parts of',
    writing((writes) => writes.map((write) => ('payload' in write ? { ...write, payload: new Uint8Array(write.payload.buffer) } : write))),
  ),
  {
    name: 'it says it is durable and forgets',
    of: 'memory',
    change: (place) => ({
      ...changed(() => ({ traits: { ordered: true, durable: true } }))(place),
      reopen: async () => openMemoryStore({ clock: systemClock }),
    }),
  },
  {
    name: 'it lets the others through when one write has failed',
    of: 'leveldb',
    change: changed((store) => ({
      write: async (writes) => {
        const before = store.status().refusing;
        await store.write(writes).catch(async (failure: unknown) => {
          const name = writes.map((write) => ('key' in write ? write.key : '')).join();
          if (before !== undefined || !name.startsWith('behind')) throw failure;
          while (store.status().refusing !== undefined) await new Promise((resolve) => setImmediate(resolve));
          await store.write(writes);
        });
      },
    })),
  },
];
