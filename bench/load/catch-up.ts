import type { Job, JobResult } from './job.ts';
import { frameOf, ParleyUser, tokenFor } from './parley-wire.ts';
import { eachOf, type Load, pause } from './sending.ts';

const READ_AT_ONCE = 20;
const WAIT_MS = 20_000;

/** Every user reads its inbox from the beginning, which ParleyUser checks to be free of gaps. */
export async function catchUp(load: Load, job: Extract<Job, { readonly kind: 'catch-up' }>, secret: string): Promise<JobResult> {
  const { meter, target } = load;
  meter.start();
  await eachOf(job.users, READ_AT_ONCE, async (name) => {
    let messages = 0;
    const user = new ParleyUser(name, {
      sent: () => {},
      event: () => {
        messages++;
      },
      failed: (reason) => load.fail(reason),
    });
    await user.open(target);
    await user.hello(frameOf({ type: 'hello', token: tokenFor(name, secret), device: 'bench', cursor: 0 }));
    const until = performance.now() + WAIT_MS;
    while (messages < job.messages && performance.now() < until) await pause(5);
    if (messages !== job.messages) load.fail(`${name} has ${messages} of ${job.messages} messages in its inbox`);
    user.close();
    meter.count++;
  });
  meter.stop();
  return meter.result;
}
