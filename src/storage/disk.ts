import { mkdir, open, readdir, readFile, rename, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { StartError } from './start-error.ts';

/**
 * What the LevelDB engine needs of LevelDB and of the disk it stands on, so that a test can give it one
 * that fails or hangs. Keys are read as text (see keys.ts).
 */
export interface Disk {
  batch(): DiskBatch;
  /** One value for each key, in their order. */
  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  range(range: KeyRange): DiskRange;
  freeBytes(): Promise<number>;
  /** Closes the files and opens them again; after a failed write LevelDB is of no use until then. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export interface DiskBatch {
  /** Copies both at once; the caller may use the bytes again. */
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array | string): void;
  /** Resolves when everything in the batch would survive a loss of power, in the order of the calls. */
  write(): Promise<void>;
  /** Lets go of a batch that won't be written. */
  drop(): void;
}

export interface KeyRange {
  readonly from: string;
  /** Undefined: `from` itself is part of the range. */
  readonly after?: true;
  readonly before: string;
  readonly order: 'ascending' | 'descending';
  readonly values: boolean;
  /** About how much one `next` may give. */
  readonly bytesMax: number;
}

export interface DiskRange {
  /** Up to `count` pairs; none: the range has ended. */
  next(count: number): Promise<readonly (readonly [string, Uint8Array])[]>;
  close(): void;
}

const MIB = 2 ** 20;

/**
 * Measured on two cores with three rows of 180 bytes a message, as fast as it goes (rows/s; the longest
 * wait for one batch):
 *
 * | | 200 users | 200,000 users |
 * |---|---|---|
 * | LevelDB's defaults (4 MiB write buffer, 2 MiB files) | 214,000; 740 ms | |
 * | 8 MiB buffer | 334,000; 440 ms | 168,000; 1,430 ms |
 * | 16 MiB buffer | 360,000; 24 ms | 212,000; 1,250 ms |
 * | 32 MiB buffer, 8 MiB files | 355,000; 38 ms | 340,000; 120–200 ms |
 * | 64 MiB buffer | 327,000; 65 ms | 359,000; 130 ms |
 * | 16 MiB buffer, no compression | 262,000; 590 ms | |
 *
 * Those were 3 million rows. Over 6 million, with other work on both cores, buffers up to 16 MiB came to
 * LevelDB's stop at 12 files in level 0 again and again, for up to 5 s; 32 and 64 MiB never did.
 */
const LEVEL_OPTIONS = {
  /** The smallest with which compaction keeps up with scattered writes; 64 MiB only doubles memory and the time to start after a crash. */
  writeBufferSize: 32 * MIB,
  /** Half as many files to open and to look into as with 2 MiB. */
  maxFileSize: 8 * MIB,
  /** Unpacked blocks of what is read by key: snapshots. Ranges go around it. */
  cacheSize: 32 * MIB,
  /** Larger blocks write up to 5 % faster and cost each cold row twice as much to unpack. */
  blockSize: 4096,
  /** At 8 MiB each, 8 GB stay open; an open file holds about 130 KB for its index and filter. */
  maxOpenFiles: 1000,
  /** Snappy costs less than writing and compacting the bytes it saves. */
  compression: true,
} as const;

/** One is written and one filled; some more wait when writes come faster than the disk takes them. */
const BATCHES_KEPT = 4;
const BATCH_BYTES_KEPT = 4 * MIB;

const TEXT_KEYS = { keyEncoding: 'utf8', valueEncoding: 'view' } as const;
const SYNC = { sync: true } as const;

/**
 * Takes the directory for this process. The version of what is in it stands in its file `format`, which is
 * read before anything else is touched.
 */
export async function openDisk(directory: string): Promise<Disk> {
  await prepare(directory);
  const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view', ...LEVEL_OPTIONS });
  try {
    await level.open();
  } catch (error) {
    throw refusal(directory, error);
  }
  let batches: DiskBatch[] = [];
  return {
    batch: () => batches.pop() ?? reusableBatch(level.batch() as unknown as NativeBatch, batches),
    getMany: (keys) => level.getMany<string, Uint8Array>([...keys], TEXT_KEYS),
    range({ from, after, before, order, values, bytesMax }) {
      const start = after === undefined ? { gte: from } : { gt: from };
      const reverse = order === 'descending';
      const iterator = level.iterator<string, Uint8Array>({
        ...start,
        lt: before,
        reverse,
        values,
        highWaterMarkBytes: bytesMax,
        ...TEXT_KEYS,
      });
      return { next: (count) => iterator.nextv(count), close: () => void iterator.close() };
    },
    async freeBytes() {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    },
    async reopen() {
      batches = [];
      await level.close();
      await level.open();
    },
    close: () => level.close(),
  };
}

/** What abstract-level calls when its checks are done. */
interface NativeBatch {
  _put(key: Uint8Array, value: Uint8Array): void;
  _del(key: Uint8Array | string): void;
  _clear(): void;
  _write(options: typeof SYNC): Promise<void>;
}

/**
 * LevelDB's batch without abstract-level's checks, to be used again and again. Theirs is good for one
 * write, and its bytes are freed when V8 happens to collect it: under load that was 200 MB within half a
 * minute, because V8 sees only a few small objects.
 */
function reusableBatch(native: NativeBatch, idle: DiskBatch[]): DiskBatch {
  let bytes = 0;
  const drop = (): void => {
    native._clear();
    // A batch keeps the room it once took.
    if (bytes <= BATCH_BYTES_KEPT && idle.length < BATCHES_KEPT) idle.push(batch);
    bytes = 0;
  };
  const batch: DiskBatch = {
    put(key, value) {
      bytes += value.length;
      native._put(key, value);
    },
    del: (key) => native._del(key),
    async write() {
      await native._write(SYNC);
      drop();
    },
    drop,
  };
  return batch;
}

const FORMAT_VERSION = 1;
const FORMAT = /^parley store (\d+)\n$/;

async function prepare(directory: string): Promise<void> {
  const path = join(directory, 'format');
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = await readdir(directory);
    if (names.includes('format')) return checkFormat(directory, await readFile(path, 'utf8'));
    if (names.includes('CURRENT')) throw new StartError(`${directory} holds a LevelDB database that isn't Parley's.`);
    await writeDurably(directory, path, `parley store ${FORMAT_VERSION}\n`);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The data directory ${directory} can't be written: ${(error as Error).message}.`, { cause: error });
  }
}

function checkFormat(directory: string, format: string): void {
  const version = Number(FORMAT.exec(format)?.[1]);
  if (version === FORMAT_VERSION) return;
  if (version > FORMAT_VERSION) {
    throw new StartError(
      `The data in ${directory} was written by a newer Parley (format ${version}; this one reads ${FORMAT_VERSION}): start that one, or give another directory.`,
    );
  }
  throw new StartError(`The file ${join(directory, 'format')} isn't one that Parley wrote, so the data beside it is left alone.`);
}

async function writeDurably(directory: string, path: string, text: string): Promise<void> {
  const draft = `${path}.draft`;
  const file = await open(draft, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const parent = await open(directory, 'r');
  await parent.sync().finally(() => parent.close());
}

function refusal(directory: string, error: unknown): StartError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === 'LEVEL_LOCKED') {
    return new StartError(`The data directory ${directory} is in use by another process.`, { cause: error });
  }
  const reason = (cause?.message ?? String(error)).replaceAll('\n', ' ');
  if (cause?.code === 'LEVEL_CORRUPTION') return new StartError(`The data in ${directory} is damaged: ${reason}.`, { cause: error });
  return new StartError(`The data directory ${directory} can't be opened: ${reason}.`, { cause: error });
}
