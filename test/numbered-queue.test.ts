import fc from 'fast-check';
import t from 'tap';
import { NumberedQueue } from '../src/numbered-queue.ts';

type Step =
  | { readonly kind: 'push'; readonly skip: number }
  | { readonly kind: 'delete'; readonly back: number }
  | { readonly kind: 'shift' };

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), skip: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('shift' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), back: fc.integer({ min: 0, max: 80 }) }) },
  ),
  { maxLength: 400 },
);

t.test('it answers as a map with ascending keys does', async (t) => {
  fc.assert(
    fc.property(steps, (all: readonly Step[]) => {
      const queue = new NumberedQueue<string>();
      const map = new Map<number, string>();
      let last = 7;
      for (const step of all) {
        const [oldest] = map.keys();
        if (step.kind === 'push') {
          last += step.skip;
          queue.push(last, `item ${last}`);
          map.set(last, `item ${last}`);
        } else {
          const number = step.kind === 'shift' ? (oldest ?? 0) : last - step.back;
          queue.delete(number);
          map.delete(number);
        }
        const [first] = map.keys();
        if (queue.size !== map.size || queue.first !== first || queue.oldest !== (first === undefined ? undefined : map.get(first)))
          return false;
        for (let number = last - 85; number <= last + 1; number++) if (queue.get(number) !== map.get(number)) return false;
        if (queue.values().join() !== [...map.values()].join()) return false;
      }
      return true;
    }),
  );
  t.pass();
});

t.test('values can be walked while items are deleted', async (t) => {
  const queue = new NumberedQueue<number>();
  for (let number = 1; number <= 100; number++) queue.push(number, number);
  const seen: number[] = [];
  for (const number of queue.values()) {
    seen.push(number);
    queue.delete(number);
    queue.delete(number + 1);
  }
  t.equal(seen.length, 100);
  t.equal(queue.size, 0);
});
