import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from './failure.ts';

/** DATA/node.json: what `parley status` must know of the node that runs on this data. */
export interface NodeNote {
  readonly pid: number;
  readonly url: string;
  readonly startedAt: number;
}

const code = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
const isAbsent = (error: unknown): boolean => code(error) === 'ENOENT' || code(error) === 'ENOTDIR';
const secretFile = (data: string): string => join(data, 'secret');
const noteFile = (data: string): string => join(data, 'node.json');

/** Where the store keeps its own files. */
export const storeDirectory = (data: string): string => join(data, 'store');

/** With those above it. Not by `recursive`, which never ends where the system says that neither can be (in /proc). */
async function makeDirectory(path: string): Promise<void> {
  const make = (): Promise<void> => mkdir(path, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    if (code(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await make();
  }
}

/** Makes the directory where it isn't there yet, and refuses one that can't be used. */
export async function prepareDirectory(data: string): Promise<void> {
  try {
    await makeDirectory(data);
    await access(data, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = code(error) === 'EEXIST' ? 'it is a file' : code(error);
    throw new Failure('unavailable', `the data directory ${data} can't be used (${why}); give another with --data`, {
      cause: error,
    });
  }
}

/** The secret that was kept, if there is one. */
export async function readSecret(data: string): Promise<string | undefined> {
  try {
    const text = (await readFile(secretFile(data), 'utf8')).trim();
    if (text !== '') return text;
    throw new Failure('unavailable', `${secretFile(data)} is empty; put the secret back, or delete it to have a new one made`);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    if (error instanceof Failure) throw error;
    throw new Failure('unavailable', `${secretFile(data)} can't be read (${code(error)})`, { cause: error });
  }
}

/** The kept secret, made on first start: on disk, and readable by its owner alone, before any token is signed with it. */
export async function keepSecret(data: string): Promise<string> {
  const kept = await readSecret(data);
  if (kept !== undefined) return kept;
  const secret = randomBytes(32).toString('base64url');
  const unfinished = `${secretFile(data)}.new`;
  const file = await open(unfinished, 'w', 0o600);
  try {
    await file.writeFile(`${secret}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, secretFile(data));
  return secret;
}

export async function writeNote(data: string, note: NodeNote): Promise<void> {
  const unfinished = `${noteFile(data)}.new`;
  await writeFile(unfinished, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  await rename(unfinished, noteFile(data));
}

export const removeNote = (data: string): Promise<void> => rm(noteFile(data), { force: true });

export async function readNote(data: string): Promise<NodeNote | undefined> {
  try {
    return JSON.parse(await readFile(noteFile(data), 'utf8')) as NodeNote;
  } catch (error) {
    // One that a power cut left unfinished tells as little as none.
    if (isAbsent(error) || error instanceof SyntaxError) return undefined;
    throw new Failure('unavailable', `${noteFile(data)} can't be read (${code(error)})`, { cause: error });
  }
}
