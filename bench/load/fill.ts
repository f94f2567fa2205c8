import type { Job, JobResult } from './job.ts';
import { type Load, Sending } from './sending.ts';
import { arrivedAt } from './websocket.ts';

/** Goes over all routes, again and again, until each has carried its messages. */
export async function fill(load: Load, job: Extract<Job, { readonly kind: 'fill' }>): Promise<JobResult> {
  const sending = await Sending.connect(load, job);
  const all = job.routes.length * job.perRoute;
  const { meter } = load;
  meter.start();
  await new Promise<void>((resolve) => {
    const next = (): void => {
      if (sending.answers === all) return resolve();
      if (sending.underWay.count === all) return;
      const route = sending.underWay.count % job.routes.length;
      sending.send(route, arrivedAt);
      sending.flush(route);
    };
    sending.onSent = next;
    for (let i = 0; i < Math.min(job.atOnce, all); i++) next();
  });
  meter.stop();
  await sending.drain();
  return { ...meter.result, sent: sending.sent.summary(), total: all };
}
