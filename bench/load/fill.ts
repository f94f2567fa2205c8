import type { Job, JobResult } from './job.ts';
import { type Load, Sending } from './sending.ts';
import { arrivedAt } from './websocket.ts';

/** What the server asks for by default (`overloadedRetryMs`). */
const RETRY_AFTER_MS = 1_000;

/** Goes over all routes, again and again, until each has carried its messages. What is refused goes again. */
export async function fill(load: Load, job: Extract<Job, { readonly kind: 'fill' }>): Promise<JobResult> {
  const sending = await Sending.connect(load, job);
  const all = job.routes.length * job.perRoute;
  const { meter } = load;
  meter.start();
  await new Promise<void>((resolve) => {
    let begun = 0;
    const send = (route: number, at: number): void => {
      sending.send(route, at);
      sending.flush(route);
    };
    const next = (): void => {
      if (sending.answers === all) return resolve();
      if (begun < all) send(begun++ % job.routes.length, arrivedAt);
    };
    sending.onSent = next;
    sending.onRefused = (route) => void setTimeout(() => send(route, performance.now()), RETRY_AFTER_MS);
    for (let i = 0; i < Math.min(job.atOnce, all); i++) next();
  });
  meter.stop();
  await sending.drain();
  return { ...meter.result, sent: sending.sent.summary(), total: all };
}
