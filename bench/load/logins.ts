import type { Job, JobResult } from './job.ts';
import { Latencies } from './latencies.ts';
import { frameOf, ParleyUser, tokenFor } from './parley-wire.ts';
import { eachOf, type Load } from './sending.ts';

/** Logs every user in once; with `list` each then asks for its conversations and waits for them. */
export async function logins(load: Load, job: Extract<Job, { readonly kind: 'logins' }>, secret: string): Promise<JobResult> {
  const { meter, target } = load;
  const took = new Latencies();
  let short = 0;
  const people = job.users.map((name) => {
    let listed = (_items: number): void => {};
    const user = new ParleyUser(name, {
      sent: () => load.fail('an answer nobody asked for'),
      event: () => load.fail(`${name} had not read all: the cursor is wrong`),
      answered: (items) => listed(items),
      failed: (reason) => load.fail(reason),
    });
    const listing = (): Promise<void> =>
      new Promise((resolve) => {
        listed = (items) => {
          if (items < job.list) short++;
          resolve();
        };
        user.write(LIST);
      });
    const hello = frameOf({ type: 'hello', token: tokenFor(name, secret), device: 'bench', cursor: job.cursor });
    return { user, hello, listing };
  });
  const LIST = frameOf({ type: 'conversations', id: 'list', limit: job.list });

  if (job.timed === 'hello') await eachOf(people, job.atOnce, ({ user }) => user.open(target));
  meter.start();
  await eachOf(people, job.atOnce, async ({ user, hello, listing }) => {
    const began = performance.now();
    if (job.timed === 'connect') await user.open(target);
    await user.hello(hello);
    if (job.list > 0) await listing();
    meter.count++;
    took.record(performance.now() - began);
  });
  meter.stop();
  if (short > 0) load.fail(`${short} users got fewer than ${job.list} conversations`);
  for (const { user } of people) user.close();
  return { ...meter.result, sent: took.summary() };
}
