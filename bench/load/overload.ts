import type { Job, JobResult } from './job.ts';
import { Latencies } from './latencies.ts';
import { type Load, pause, Sending } from './sending.ts';
import { arrivedAt } from './websocket.ts';

/** The server is to be well again this long after the flood. */
const RECOVERY_MS = 1_000;
/** What the server asks for by default (`overloadedRetryMs`). */
const RETRY_AFTER_MS = 1_000;
const LOOK_EVERY_MS = 20;

/** Offers far more than can be done, and looks at how what is taken fares: before, during and after. */
export async function overload(load: Load, job: Extract<Job, { readonly kind: 'overload' }>): Promise<JobResult> {
  const sending = await Sending.connect(load, job);
  const { meter } = load;
  let going = false;
  let measured: Latencies | undefined;
  const next = (route: number): void => {
    if (going) sending.send(route, arrivedAt);
  };
  sending.onAnswered = (route, tookMs) => {
    measured?.record(tookMs);
    next(route);
  };
  // As PROTOCOL.md asks: after the time that was named, and up to as much again.
  const again = new Map<number, number[]>();
  sending.onRefused = (route) => {
    if (!going) return;
    const due = Math.ceil((arrivedAt + RETRY_AFTER_MS * (1 + Math.random())) / LOOK_EVERY_MS);
    const routes = again.get(due);
    if (routes === undefined) again.set(due, [route]);
    else routes.push(route);
  };
  const retries = setInterval(() => {
    const now = performance.now() / LOOK_EVERY_MS;
    for (const [due, routes] of again) {
      if (due > now) continue;
      again.delete(due);
      for (const route of routes) if (going) sending.send(route, performance.now());
      for (const route of new Set(routes)) sending.flush(route);
    }
  }, LOOK_EVERY_MS);
  const phase = async (inFlight: number, forMs: number): Promise<Latencies> => {
    going = true;
    measured = undefined;
    for (let route = 0; route < job.routes.length; route++) {
      for (let i = 0; i < inFlight; i++) sending.send(route, performance.now());
      sending.flush(route);
    }
    // What a young process costs, or the first rush, isn't what it is about.
    await pause(forMs / 4);
    const latencies = new Latencies();
    measured = latencies;
    if (inFlight > 1) meter.start();
    await pause((forMs * 3) / 4);
    if (inFlight > 1) meter.stop();
    going = false;
    measured = undefined;
    again.clear();
    return latencies;
  };
  const calm = await phase(1, job.calmMs);
  await pause(RECOVERY_MS);
  const refusedBefore = sending.refusals;
  const flood = await phase(job.inFlight, job.floodMs);
  const refused = sending.refusals - refusedBefore;
  await pause(RECOVERY_MS);
  const after = await phase(1, job.calmMs);
  clearInterval(retries);
  await sending.drain();
  return {
    ...meter.result,
    calm: calm.summary(),
    flood: flood.summary(),
    after: after.summary(),
    refusedPerSecond: refused / (job.floodMs / 1000),
    total: sending.underWay.count,
  };
}
