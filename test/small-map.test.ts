import fc from 'fast-check';
import t from 'tap';
import { SmallMap } from '../src/small-map.ts';

const steps = fc.array(
  fc.oneof(
    { weight: 16, arbitrary: fc.record({ kind: fc.constant('set' as const), key: fc.integer({ min: 0, max: 60 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: fc.integer({ min: 0, max: 60 }) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('delete-oldest' as const), key: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete-all' as const), key: fc.constant(0) }) },
  ),
  { maxLength: 400, size: 'max' },
);

t.test('it answers as a map does', async (t) => {
  let largest = 0;
  let shrunk = 0;
  fc.assert(
    fc.property(steps, (all) => {
      const small = new SmallMap<string, number>();
      const map = new Map<string, number>();
      for (const [value, { kind, key }] of all.entries()) {
        if (kind === 'set') {
          small.set(`key ${key}`, value);
          map.set(`key ${key}`, value);
        }
        const deleted = kind === 'delete' ? [`key ${key}`] : kind === 'delete-all' ? [...map.keys()] : [...map.keys()].slice(0, 1);
        if (kind !== 'set') {
          if (map.size > 16 && kind === 'delete-all') shrunk += 1;
          for (const one of deleted) {
            small.delete(one);
            map.delete(one);
          }
        }
        largest = Math.max(largest, map.size);
        if (JSON.stringify(small.entries()) !== JSON.stringify([...map])) return false;
        for (let one = 0; one <= 61; one++) {
          if (small.get(`key ${one}`) !== map.get(`key ${one}`) || small.has(`key ${one}`) !== map.has(`key ${one}`)) return false;
        }
        if (small.size !== map.size) return false;
      }
      return true;
    }),
  );
  t.ok(largest > 20, 'it was large');
  t.ok(shrunk > 0, 'and small again');
});
