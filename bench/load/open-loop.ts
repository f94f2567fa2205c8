import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Job, JobResult } from './job.ts';
import { Latencies } from './latencies.ts';
import { type Load, Sending } from './sending.ts';

/** What is due is looked for at most this often: rates above it send a few messages at once. */
const LOOK_EVERY_MS = 0.5;
/** Sums of fractions of milliseconds differ by less than this. */
const SAME_MS = 0.001;

/**
 * Sends by the clock. A message's time counts from the moment it was due, so that neither a slow
 * server nor a slow load generator can hide a pause by sending less during it.
 */
export async function openLoop(load: Load, job: Extract<Job, { readonly kind: 'open-loop' }>): Promise<JobResult> {
  const sending = await Sending.connect(load, job);
  const late = new Latencies();
  const { meter } = load;
  const everyMs = 1000 / job.perSecond;
  let due = 0;
  let warmUntil = 0;
  let until = 0;
  let route = 0;
  const metronome = new Worker(join(import.meta.dirname, 'metronome.js'), { workerData: { everyMs: Math.max(everyMs, LOOK_EVERY_MS) } });
  await new Promise<void>((resolve) => {
    metronome.on('message', (ofEpochMs: number) => {
      const tick = ofEpochMs - performance.timeOrigin;
      if (due === 0) {
        due = tick;
        warmUntil = due + job.warmMs;
        until = warmUntil + job.measureMs;
      }
      if (!meter.open && tick >= warmUntil) meter.start();
      const now = performance.now();
      for (; due <= tick + SAME_MS && due < until; due += everyMs) {
        if (meter.open) late.record(now - due);
        sending.send(route, due);
        sending.flush(route);
        route = (route + 1) % job.routes.length;
      }
      if (due >= until) resolve();
    });
  });
  await metronome.terminate();
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
