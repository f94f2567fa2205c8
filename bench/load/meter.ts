import { cpus } from 'node:os';
import { cpuSeconds, machineSeconds } from '../process-usage.ts';
import type { JobResult } from './job.ts';

/** Measures a window of a load: what was done in it, and what CPU time the server and this process used for it. */
export class Meter {
  open = false;
  count = 0;
  readonly #pid: number;
  #began = 0;
  #serverSeconds = 0;
  #machineSeconds = 0;
  #own: NodeJS.CpuUsage = process.cpuUsage();
  #result: JobResult | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  start(): void {
    this.open = true;
    this.#began = performance.now();
    this.#serverSeconds = cpuSeconds(this.#pid);
    this.#machineSeconds = machineSeconds();
    this.#own = process.cpuUsage();
  }

  stop(): void {
    if (!this.open) return;
    this.open = false;
    const seconds = (performance.now() - this.#began) / 1000;
    const own = process.cpuUsage(this.#own);
    const server = cpuSeconds(this.#pid) - this.#serverSeconds;
    const others = machineSeconds() - this.#machineSeconds - server - (own.user + own.system) / 1e6;
    this.#result = {
      count: this.count,
      perSecond: this.count / seconds,
      serverMicros: (server * 1e6) / this.count,
      generatorMicros: (own.user + own.system) / this.count,
      othersPercent: Math.max(0, (others / seconds / cpus().length) * 100),
    };
  }

  get result(): JobResult {
    if (this.#result === undefined) throw new Error('nothing was measured');
    return this.#result;
  }
}
