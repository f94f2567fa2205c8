import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Read, Row, Store, Write } from '../../src/storage/store.ts';
import { byBytes, payload } from './rows.ts';
import type { Rule } from './rule.ts';

/** What was written, as plainly as can be: a list of rows per log, a map per table. */
class Model {
  readonly logs = new Map<string, Row[]>();
  readonly tables = new Map<string, Map<string, Row>>();

  apply(write: Write): void {
    if (write.kind === 'append') {
      const others = this.#log(write).filter(({ last, epoch }) => last !== write.last || epoch !== write.epoch);
      const { first, last, epoch, payload } = write;
      this.logs.set(
        write.of,
        [...others, { first, last, epoch, key: '', payload }].sort((a, b) => a.last - b.last || a.epoch - b.epoch),
      );
    } else if (write.kind === 'prune') {
      this.logs.set(
        write.of,
        this.#log(write).filter(({ last }) => last > write.through),
      );
    } else {
      const rows = this.tables.get(write.of) ?? new Map<string, Row>();
      this.tables.set(write.of, rows);
      if (write.kind === 'delete') rows.delete(write.key);
      else if ((rows.get(write.key)?.epoch ?? 0) <= write.epoch) {
        rows.set(write.key, { first: 0, last: 0, key: write.key, epoch: write.epoch, payload: write.payload });
      }
    }
  }

  read(read: Read): readonly Row[] {
    switch (read.kind) {
      case 'forward': {
        const through = read.through ?? Number.POSITIVE_INFINITY;
        return this.#log(read)
          .filter(({ first, last }) => last > read.after && first <= through && through > read.after)
          .slice(0, read.limit);
      }
      case 'backward':
        return this.#log(read)
          .filter(({ first }) => first < (read.before ?? Number.POSITIVE_INFINITY))
          .reverse()
          .slice(0, read.limit);
      case 'row':
        return [this.tables.get(read.of)?.get(read.key)].filter((row) => row !== undefined);
      case 'rows': {
        const rows = this.tables.get(read.of) ?? new Map<string, Row>();
        const isAfter = (key: string): boolean => read.after === undefined || byBytes([key, read.after])[0] === read.after;
        return byBytes([...rows.keys()])
          .filter((key) => key !== read.after && isAfter(key))
          .slice(0, read.limit)
          .map((key) => rows.get(key) as Row);
      }
    }
  }

  #log({ of }: { readonly of: string }): readonly Row[] {
    return this.logs.get(of) ?? [];
  }
}

const plain = (rows: readonly Row[]): unknown[] => rows.map((row) => ({ ...row, payload: Buffer.from(row.payload).toString('latin1') }));

const of = fc.constantFrom('', 'a', 'a\x00', 'ab');
const key = fc.constantFrom('', 'k', 'k\x00', 'k\x01', '\u{10FFFF}', '\ue000');
const position = fc.integer({ min: 1, max: 40 });
const epoch = fc.integer({ min: 1, max: 3 });
const limit = fc.integer({ min: 1, max: 8 });
const text = fc.string({ maxLength: 6 }).map((chars) => payload(chars));

/** Under one epoch, rows never overlap: they end on multiples of their epoch's own size. */
const anAppend = fc.record({ of, at: fc.integer({ min: 0, max: 12 }), epoch, payload: text }).map(({ of, at, epoch, payload }): Write => {
  const first = 1 + at * (epoch + 1);
  return { kind: 'append', log: 'inbox', of, first, last: first + epoch, epoch, payload };
});
const aPut = fc.record({ of, key, epoch, payload: text }).map((fields): Write => ({ kind: 'put', table: 'item', ...fields }));
const aDelete = fc.record({ of, key }).map((fields): Write => ({ kind: 'delete', table: 'item', ...fields }));
const aPrune = fc
  .record({ of, through: fc.integer({ min: 0, max: 40 }) })
  .map((fields): Write => ({ kind: 'prune', log: 'inbox', ...fields }));
const aWrite = fc.oneof({ weight: 4, arbitrary: anAppend }, { weight: 4, arbitrary: aPut }, { weight: 2, arbitrary: aDelete });
const aCall = fc.oneof(
  { weight: 6, arbitrary: fc.array(aWrite, { maxLength: 5 }) },
  { weight: 1, arbitrary: aPrune.map((prune) => [prune]) },
);

const aRead: fc.Arbitrary<Read> = fc.oneof(
  fc.record({ of, after: fc.nat(40), limit }).map((fields): Read => ({ kind: 'forward', log: 'inbox', ...fields })),
  fc.record({ of, before: position, limit }).map((fields): Read => ({ kind: 'backward', log: 'inbox', ...fields })),
  fc.record({ of, limit }).map((fields): Read => ({ kind: 'backward', log: 'inbox', ...fields })),
  fc.record({ of, key }).map((fields): Read => ({ kind: 'row', table: 'item', ...fields })),
  fc.record({ of, limit }).map((fields): Read => ({ kind: 'rows', table: 'item', ...fields })),
  fc.record({ of, after: key, limit }).map((fields): Read => ({ kind: 'rows', table: 'item', ...fields })),
);

/** The same command for an owner of this run alone, so that one store serves them all. */
const within = <Item extends { readonly of: string }>(run: number, item: Item): Item => ({ ...item, of: `${item.of}${run}` });

const RUNS = 60;

export const modelRules: readonly Rule[] = [
  {
    name: 'it answers as a plain list and a plain map would',
    async holds({ store }) {
      let run = 0;
      const calls = fc.array(fc.array(aCall, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
      const property = fc.asyncProperty(calls, fc.array(aRead, { minLength: 8, maxLength: 16 }), async (rounds, reads) => {
        run += 1;
        const model = new Model();
        for (const round of rounds) await writeTogether(store, model, run, round);
        for (const read of reads) {
          const here = within(run, read);
          assert.deepEqual(plain(await store.read(here)), plain(model.read(here)), JSON.stringify(here));
        }
      });
      await fc.assert(property, { numRuns: RUNS, seed: 1, endOnFailure: true });
    },
  },
];

/** Calls that nobody waits for between them; but a prune may be carried out later than it was called. */
async function writeTogether(store: Store, model: Model, run: number, calls: readonly (readonly Write[])[]): Promise<void> {
  let underWay: Promise<void>[] = [];
  for (const call of calls) {
    const writes = call.map((write) => within(run, write));
    for (const write of writes) model.apply(write);
    const prunes = writes.some(({ kind }) => kind === 'prune');
    if (prunes) await Promise.all(underWay.splice(0));
    underWay.push(store.write(writes));
    if (prunes) await Promise.all(underWay.splice(0));
  }
  await Promise.all(underWay);
  underWay = [];
}
