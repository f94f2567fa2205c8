import type { Job, JobResult } from './job.ts';
import { Latencies } from './latencies.ts';
import { type Load, Sending } from './sending.ts';

/**
 * Sends by the clock. A message's time counts from the moment it was due, so that neither a slow
 * server nor a slow load generator can hide a pause by sending less during it.
 */
export async function openLoop(load: Load, job: Extract<Job, { readonly kind: 'open-loop' }>): Promise<JobResult> {
  const sending = await Sending.connect(load, job);
  const late = new Latencies();
  const { meter } = load;
  const everyMs = 1000 / job.perSecond;
  const began = performance.now();
  const warmUntil = began + job.warmMs;
  const until = warmUntil + job.measureMs;
  let due = began;
  let route = 0;
  await new Promise<void>((resolve) => {
    // Timers are too coarse; looking at the clock once in each turn of the event loop isn't.
    const look = (): void => {
      const now = performance.now();
      if (!meter.open && now >= warmUntil) meter.start();
      for (; due <= now && due < until; due += everyMs) {
        if (meter.open) late.record(now - due);
        sending.send(route, due);
        sending.flush(route);
        route = (route + 1) % job.routes.length;
      }
      if (due >= until) resolve();
      else setImmediate(look);
    };
    look();
  });
  meter.stop();
  await sending.drain();
  return {
    ...meter.result,
    sent: sending.sent.summary(),
    event: sending.event.summary(),
    late: late.summary(),
    total: sending.underWay.count,
  };
}
