import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Job, JobReport, JobRequest, JobResult, Subject } from './load/job.ts';

const LOAD = join(import.meta.dirname, 'load', 'process.js');
let runs = 0;

/** Runs a job in a process of its own. `held` is awaited while an idle load holds its connections. */
export function generate(subject: Subject, job: Job, held: () => Promise<void> = async () => {}): Promise<JobResult> {
  const child = fork(LOAD, { execArgv: [], serialization: 'advanced' });
  const run = `${Date.now().toString(36)}-${(++runs).toString(36)}`;
  return new Promise<JobResult>((resolve, reject) => {
    child.on('message', (report: JobReport) => {
      if (report.kind === 'done') resolve(report.result);
      else if (report.kind === 'failed') reject(new Error(report.reason));
      else held().then(() => child.send('release'), reject);
    });
    child.on('exit', (code, signal) => reject(new Error(`the load generator ended: ${signal ?? code}`)));
    child.send({ subject, job, run } satisfies JobRequest);
  }).finally(() => child.kill('SIGKILL'));
}
