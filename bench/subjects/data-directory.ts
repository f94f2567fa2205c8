import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TMPFS = 0x01021994;
const made = new Set<string>();

/** A new directory on a disk: a store in memory would be measured too kindly. */
export async function dataDirectory(under: string | undefined): Promise<string> {
  const parent = under ?? ((await statfs(tmpdir())).type === TMPFS ? '/var/tmp' : tmpdir());
  const directory = await mkdtemp(join(parent, 'parley-bench-'));
  made.add(directory);
  return directory;
}

export async function removeDirectory(directory: string): Promise<void> {
  made.delete(directory);
  await rm(directory, { recursive: true, force: true });
}

export async function removeAll(): Promise<void> {
  await Promise.all([...made].map(removeDirectory));
}
