import t from 'tap';
import { systemClock } from '../src/clock.ts';
import { openDisk } from '../src/storage/disk.ts';
import { defaultLevelSettings } from '../src/storage/level-settings.ts';
import { openLevelStore, startLevelStore } from '../src/storage/leveldb.ts';
import { openMemoryStore } from '../src/storage/memory.ts';
import { FaultyDisk } from './contract/faulty-disk.ts';
import { mutants } from './contract/mutants.ts';
import type { Place } from './contract/rule.ts';
import { storeSuite } from './contract/store.ts';
import { temporaryDirectory } from './support/data.ts';

const settings = { ...defaultLevelSettings, freeBytesMin: 0 };

async function levelPlace(): Promise<Place> {
  const directory = await temporaryDirectory(t);
  const disk = new FaultyDisk(await openDisk(directory));
  return {
    store: await startLevelStore(disk, systemClock, settings),
    reopen: () => openLevelStore({ directory, clock: systemClock, settings }),
    failNextWrite: () => disk.nextWrite('fails'),
  };
}

const memoryPlace = async (): Promise<Place> => ({ store: openMemoryStore({ clock: systemClock }) });

const test = (name: string, run: () => Promise<void>): void => {
  t.test(name, async (t) => {
    await run();
    t.pass('it holds');
  });
};

storeSuite({ name: 'memory', test, open: memoryPlace });
storeSuite({ name: 'leveldb', test, open: levelPlace });

t.test('an engine that breaks one promise is caught', async (t) => {
  for (const mutant of mutants) {
    const broken: string[] = [];
    const tests: (() => Promise<void>)[] = [];
    storeSuite({
      name: mutant.name,
      test: (name, run) => void tests.push(() => run().catch(() => void broken.push(name))),
      open: async () => mutant.change(await (mutant.of === 'leveldb' ? levelPlace() : memoryPlace())),
    });
    for (const test of tests) {
      await test();
      if (broken.length > 0) break;
    }
    if (mutant.sound) t.same(broken, [], `${mutant.name}: nothing is broken`);
    else t.equal(broken.length, 1, `caught by “${broken[0]}”`);
  }
});
