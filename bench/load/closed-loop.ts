import type { Job, JobResult } from './job.ts';
import { type Load, pause, Sending } from './sending.ts';
import { arrivedAt } from './websocket.ts';

/** Messages that a route carries, for each that it may have under way, before its turn passes on. */
const MESSAGES_PER_TURN = 3;

/** Whose turn it is after `route`, where only some routes are in use at once. */
function turns(job: Extract<Job, { readonly kind: 'closed-loop' }>): (route: number) => number {
  const atOnce = job.routesAtOnce ?? job.routes.length;
  if (atOnce === job.routes.length) return (route) => route;
  const perTurn = job.inFlight * MESSAGES_PER_TURN;
  const left = job.routes.map((_route, index) => (index < atOnce ? perTurn - job.inFlight : 0));
  return (route) => {
    let turn = route;
    if (left[turn] === 0) {
      turn = (route + atOnce) % job.routes.length;
      if (left[turn] === 0) left[turn] = perTurn;
    }
    left[turn] = (left[turn] as number) - 1;
    return turn;
  };
}

export async function closedLoop(load: Load, job: Extract<Job, { readonly kind: 'closed-loop' }>): Promise<JobResult> {
  const sending = await Sending.connect(load, job);
  const { meter } = load;
  const turnAfter = turns(job);
  let going = true;
  let finished = (): void => {};
  const enough = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const next = (route: number): void => {
    if (!going) return;
    if (sending.underWay.count >= job.messagesMax) {
      if (sending.answers >= job.messagesMax) finished();
      return;
    }
    const turn = turnAfter(route);
    sending.send(turn, arrivedAt);
    if (turn !== route) sending.flush(turn);
  };
  // What completes a message for somebody else than its sender doesn't flush the sender's socket.
  if (job.next === 'after sent') sending.onSent = next;
  else {
    sending.onEveryone = (route) => {
      next(route);
      sending.flush(route);
    };
  }

  if (job.warmMs === 0) meter.start();
  const began = performance.now();
  for (let route = 0; route < (job.routesAtOnce ?? job.routes.length); route++) {
    for (let i = 0; i < job.inFlight; i++) sending.send(route, began);
    sending.flush(route);
  }
  if (job.warmMs > 0) {
    await Promise.race([pause(job.warmMs), enough]);
    meter.start();
  }
  await Promise.race([pause(job.measureMs), enough]);
  meter.stop();
  going = false;
  await sending.drain();
  return {
    ...meter.result,
    sent: sending.sent.summary(),
    event: sending.event.summary(),
    ...(job.receivers > 1 ? { last: sending.last.summary() } : {}),
    total: sending.underWay.count,
  };
}
