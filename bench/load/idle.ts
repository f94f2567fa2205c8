import type { Job, JobResult } from './job.ts';
import { eachOf, type Load } from './sending.ts';

/** Connects everyone and keeps them connected until told; somebody else looks at the server's memory meanwhile. */
export async function idle(load: Load, job: Extract<Job, { readonly kind: 'idle' }>, holding: () => Promise<void>): Promise<JobResult> {
  const { meter, target, wire } = load;
  meter.start();
  let released = false;
  await eachOf(job.users, job.atOnce, async (name, index) => {
    const source = job.sources[index % job.sources.length];
    await wire.connect({ ...target, source }, name, {
      sent: () => {},
      event: () => {},
      failed: (reason) => {
        if (!released) load.fail(reason);
      },
    });
    meter.count++;
  });
  meter.stop();
  await holding();
  released = true;
  return meter.result;
}
