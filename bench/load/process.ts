import { catchUp } from './catch-up.ts';
import { closedLoop } from './closed-loop.ts';
import { echoWire } from './echo-wire.ts';
import { fill } from './fill.ts';
import { history } from './history.ts';
import { idle } from './idle.ts';
import type { Job, JobReport, JobRequest, JobResult, Subject } from './job.ts';
import { logins } from './logins.ts';
import { Meter } from './meter.ts';
import { openLoop } from './open-loop.ts';
import { overload } from './overload.ts';
import { parleyWire } from './parley-wire.ts';
import type { Load } from './sending.ts';
import { socketIoWire } from './socket-io-wire.ts';
import type { Wire } from './wire.ts';

/** The load generator: one job, then the end. It is forked by `../generator.ts`. */
const report = (told: JobReport): void => {
  process.send?.(told);
};

let release = (): void => {};
const holding = (): Promise<void> =>
  new Promise((resolve) => {
    release = resolve;
    report({ kind: 'holding' });
  });

function wireOf(subject: Subject): Wire {
  switch (subject.wire) {
    case 'parley':
      return parleyWire(subject.secret);
    case 'socket.io':
      return socketIoWire;
    case 'echo':
      return echoWire;
  }
}

function perform(load: Load, job: Job, secret: string): Promise<JobResult> {
  switch (job.kind) {
    case 'closed-loop':
      return closedLoop(load, job);
    case 'open-loop':
      return openLoop(load, job);
    case 'overload':
      return overload(load, job);
    case 'fill':
      return fill(load, job);
    case 'logins':
      return logins(load, job, secret);
    case 'idle':
      return idle(load, job, holding);
    case 'history':
      return history(load, job, secret);
    case 'catch-up':
      return catchUp(load, job, secret);
  }
}

process.on('message', (message: JobRequest | 'release') => {
  if (message === 'release') return release();
  const { subject, job, run } = message;
  const wire = wireOf(subject);
  const failed = new Promise<never>((_resolve, reject) => {
    const load: Load = {
      wire,
      target: { host: subject.host, port: subject.port, path: wire.path, subprotocol: wire.subprotocol, source: undefined },
      meter: new Meter(subject.pid),
      run,
      fail: (reason) => reject(new Error(reason)),
    };
    perform(load, job, subject.secret).then((result) => report({ kind: 'done', result }), reject);
  });
  failed.catch((error: unknown) => report({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) }));
});
process.on('disconnect', () => process.exit(0));
