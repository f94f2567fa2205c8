import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
};

/** CPU seconds that all threads of a process have used; NaN where the system doesn't tell. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return Number.NaN;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** CPU seconds that the whole machine has been busy, and those that its host took away; NaN where the system doesn't tell. */
export function machineSeconds(): number {
  const line = read('/proc/stat')?.split('\n')[0];
  if (line === undefined) return Number.NaN;
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = line.trim().split(/\s+/).slice(1).map(Number) as number[];
  return ([user, nice, system, interrupts, softInterrupts, stolen] as number[]).reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
}

/** Memory of a process that is its own: resident, without what is mapped from files. NaN where the system doesn't tell. */
export function ownBytes(pid: number): number {
  const status = read(`/proc/${pid}/status`);
  const kilobytes = status?.match(/^RssAnon:\s+(\d+) kB$/m)?.[1];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) * 1024;
}

/** How busy the machine was for this long, of all its cores; NaN where the system doesn't tell. */
export async function busyPercent(ms: number): Promise<number> {
  const before = machineSeconds();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ((machineSeconds() - before) / (ms / 1000) / cpus().length) * 100;
}
