import type { ChildProcess } from 'node:child_process';
import type { Subject } from '../load/job.ts';

/** What `npm start` runs Parley with (scripts/parley.mjs says why), and so everything else that is measured. */
export const NODE_FLAGS: readonly string[] = ['--v8-pool-size=0'];

/** What is measured, while it runs. */
export interface Running {
  readonly subject: Subject;
  /** Ends it as an operator would and waits for its end. */
  stop(): Promise<void>;
  /** Ends it as a power cut would; nothing to do where it has ended. */
  kill(): Promise<void>;
}

export async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}

const children = new Set<ChildProcess>();

/** Ends with this process, however that ends. */
export function attend(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
