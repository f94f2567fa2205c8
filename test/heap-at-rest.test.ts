import t from 'tap';
import { collectAtRest } from '../src/heap-at-rest.ts';
import { silentLog } from '../src/log.ts';
import { ManualClock } from './support/manual-clock.ts';

const settings = { restLookMs: 1000, restCpuPercent: 10, restGrownBytes: 100, restHeapBytesMax: 1000 };

function world() {
  const clock = new ManualClock();
  const heap = {
    old: 200,
    live: 200,
    young: 0,
    cpu: 0,
    collections: 0,
    oldBytes: () => heap.old,
    youngBytes: () => heap.young,
    cpuMs: () => heap.cpu,
    collect: () => {
      heap.collections += 1;
      heap.old = heap.live;
    },
  };
  const { stop } = collectAtRest(clock, heap, settings, silentLog);
  return { clock, heap, stop };
}

t.test('a node at rest whose old objects have grown is collected, once', async (t) => {
  const { clock, heap } = world();
  heap.old = 350;
  clock.advance(1000);
  t.equal(heap.collections, 1);
  clock.advance(5000);
  t.equal(heap.collections, 1, 'nothing has grown since');
  heap.old = 299;
  clock.advance(1000);
  t.equal(heap.collections, 1, 'too little');
  heap.old = 300;
  clock.advance(1000);
  t.equal(heap.collections, 2);
});

t.test('a busy one isn’t, until it rests', async (t) => {
  const { clock, heap } = world();
  heap.old = 400;
  heap.cpu = 100;
  clock.advance(1000);
  t.equal(heap.collections, 0);
  heap.cpu = 199;
  clock.advance(1000);
  t.equal(heap.collections, 1);
});

t.test('a large heap isn’t, for the pause', async (t) => {
  const { clock, heap } = world();
  heap.old = 1001;
  clock.advance(3000);
  t.equal(heap.collections, 0);
});

t.test('what V8 collects by itself counts', async (t) => {
  const { clock, heap } = world();
  heap.old = 290;
  clock.advance(1000);
  heap.old = 50;
  clock.advance(1000);
  heap.old = 160;
  heap.live = 60;
  clock.advance(1000);
  t.equal(heap.collections, 1);
});

t.test('it is followed by others while V8 keeps much for young objects, by few', async (t) => {
  const { clock, heap } = world();
  heap.young = 32 * 2 ** 20;
  clock.advance(3000);
  t.equal(heap.collections, 0, 'that alone is no reason');
  heap.old = 400;
  clock.advance(2000);
  t.equal(heap.collections, 2);
  heap.young = 2 ** 20;
  clock.advance(5000);
  t.equal(heap.collections, 2, 'it was given back');
  heap.young = 32 * 2 ** 20;
  heap.old = 400;
  clock.advance(10_000);
  t.equal(heap.collections, 2 + 4, 'or not');
});

t.test('it ends', async (t) => {
  const { clock, heap, stop } = world();
  stop();
  heap.old = 500;
  clock.advance(5000);
  t.equal(heap.collections, 0);
  t.equal(clock.timers, 0);
});
