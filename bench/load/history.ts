import type { Job, JobResult } from './job.ts';
import { Latencies } from './latencies.ts';
import { frameOf, ParleyUser, tokenFor } from './parley-wire.ts';
import { eachOf, type Load, pause } from './sending.ts';
import { arrivedAt } from './websocket.ts';

const CONNECT_AT_ONCE = 20;

/** Reads pages as fast as they come. */
export async function history(load: Load, job: Extract<Job, { readonly kind: 'history' }>, secret: string): Promise<JobResult> {
  const { meter, target } = load;
  const took = new Latencies();
  let going = true;
  let underWay = 0;
  const readers: { ask(): void; close(): void }[] = [];
  await eachOf(job.routes, CONNECT_AT_ONCE, async ({ from, conversation }) => {
    const asked: number[] = [];
    const ask = (): void => {
      underWay++;
      asked.push(arrivedAt);
      const before = job.before === 0 ? {} : { before: job.limit + 1 + Math.floor(Math.random() * (job.before - job.limit)) };
      user.write(frameOf({ type: 'history', id: 'page', conversation, limit: job.limit, ...before }));
    };
    const user = new ParleyUser(from, {
      sent: () => {},
      event: () => {},
      answered: (items) => {
        underWay--;
        if (items !== job.limit) load.fail(`a page of ${conversation} for ${from} held ${items} entries, not ${job.limit}`);
        const began = asked.shift() as number;
        if (meter.open) {
          meter.count++;
          took.record(arrivedAt - began);
        }
        if (going) ask();
      },
      failed: (reason) => load.fail(reason),
    });
    await user.open(target);
    await user.hello(frameOf({ type: 'hello', token: tokenFor(from, secret), device: 'bench' }));
    readers.push({ ask, close: () => user.close() });
  });
  for (const { ask } of readers) for (let i = 0; i < job.inFlight; i++) ask();
  await pause(job.warmMs);
  meter.start();
  await pause(job.measureMs);
  meter.stop();
  going = false;
  while (underWay > 0) await pause(5);
  for (const { close } of readers) close();
  return { ...meter.result, sent: took.summary() };
}
