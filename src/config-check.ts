import leven from 'leven';
import { z } from 'zod';
import { type ConfigFile, defaults } from './config.ts';
import { Failure } from './failure.ts';

/** `setTimeout` takes no more: a longer one fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const whole = (min: number, max: number, unit = '') => {
  const range = max === Number.MAX_SAFE_INTEGER ? `, ${min} or more` : ` from ${min.toLocaleString('en')} to ${max.toLocaleString('en')}`;
  return z.int().min(min).max(max).describe(`a whole number${unit}${range}`);
};
const oneOf = (...words: [string, ...string[]]) => z.enum(words).describe(`one of ${words.map((word) => `"${word}"`).join(', ')}`);
const text = z.string().min(1).describe('a text that isn’t empty');

/** What a setting may be where its name doesn't say. */
const BY_PATH: Readonly<Record<string, z.ZodType>> = {
  node: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/)
    .describe('1 to 64 of A–Z a–z 0–9 . _ -'),
  'listen.port': whole(0, 65_535),
  'listen.addressHeader': z
    .string()
    .regex(/^[a-z0-9-]*$/)
    .describe('the name of a header in lower case, or ""'),
  store: oneOf('leveldb', 'memory'),
  'log.level': oneOf('debug', 'info', 'warn', 'error'),
  'log.format': oneOf('auto', 'text', 'json'),
  'tokens.ttlMs': whole(1, Number.MAX_SAFE_INTEGER, ' of milliseconds'),
  'tokens.publicKeyFile': z.string().describe('the path of a file, or ""'),
  'tokens.jwksFile': z.string().describe('the path of a file, or ""'),
  'messenger.inboxKeepMs': whole(1_000, Number.MAX_SAFE_INTEGER, ' of milliseconds'),
  'runtime.stopWithinMs': whole(0, 9_000, ' of milliseconds'),
  'runtime.turnCommandsMax': whole(1, 256),
  'storage.freeBytesMin': whole(0, Number.MAX_SAFE_INTEGER, ' of bytes'),
  'limits.frameBytesMax': whole(1_024, 2 ** 24, ' of bytes'),
};

/** Units stand last in names, so a name says what its value may be. */
function leafSchema(path: string, value: unknown): z.ZodType {
  const known = BY_PATH[path];
  if (known !== undefined) return known;
  if (typeof value === 'boolean') return z.boolean().describe('true or false');
  if (typeof value === 'string') return text;
  if (path.endsWith('.perSecond')) return z.number().positive().max(1e9).describe('a number above 0');
  if (path.endsWith('Ms')) return whole(0, TIMER_MS_MAX, ' of milliseconds');
  if (path.includes('Bytes')) return whole(1, Number.MAX_SAFE_INTEGER, ' of bytes');
  return whole(1, 1_000_000_000);
}

/** Of each pair the first may not be larger than the second. */
const ORDERED: readonly (readonly [string, string])[] = [
  ['limits.bodyBytesMax', 'limits.frameBytesMax'],
  ['limits.frameBytesMax', 'limits.messageBytesMax'],
  ['limits.messageBytesMax', 'limits.readBytesMax'],
  ['limits.outboxResumeBytes', 'limits.outboxBytesMax'],
  ['limits.pingPeriodMs', 'limits.silenceMaxMs'],
  ['limits.pollWaitDefaultMs', 'limits.pollWaitMaxMs'],
  ['limits.requestsPerConnectionMax', 'limits.requestsMax'],
  ['storage.batchBytesMax', 'storage.pendingBytesMax'],
  ['messenger.redeliverMs', 'messenger.lagAfterMs'],
  ['runtime.mailboxClientMax', 'runtime.mailboxMax'],
  ['runtime.quarantineFirstMs', 'runtime.quarantineMaxMs'],
  ['runtime.deriveEveryMs', 'runtime.deriveEveryMaxMs'],
];

const join = (...segments: readonly PropertyKey[]): string => segments.filter((segment) => segment !== '').join('.');

const leaves = new Map<string, z.ZodType>();
const groups: string[] = [];

function groupSchema(prefix: string, group: object): z.ZodType {
  const shape: Record<string, z.ZodType> = {};
  for (const [key, value] of Object.entries(group)) {
    const path = join(prefix, key);
    const schema = typeof value === 'object' ? groupSchema(path, value) : leafSchema(path, value);
    if (typeof value === 'object') groups.push(path);
    else leaves.set(path, schema);
    shape[key] = schema.optional();
  }
  return z.strictObject(shape).describe('a group of settings, { … }');
}

const schema = groupSchema('', defaults);

/** Every setting, as `group.key`. */
export const settings: readonly string[] = [...leaves.keys()];

export function valueAt(config: object, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], config);
}

/** The setting that was probably meant; a key in the wrong group is as likely as a slip of the finger. */
function nearest(path: string): string | undefined {
  const last = path.slice(path.lastIndexOf('.') + 1);
  let best: { path: string; distance: number } | undefined;
  for (const candidate of [...settings, ...groups]) {
    const theirs = candidate.slice(candidate.lastIndexOf('.') + 1);
    const elsewhere = candidate.slice(0, -theirs.length) === path.slice(0, -last.length) ? 0 : 0.4;
    const begins = last.length > 2 && theirs.startsWith(last);
    const distance = (begins ? 0.5 : leven(last.toLowerCase(), theirs.toLowerCase())) + elsewhere;
    if (best === undefined || distance < best.distance) best = { path: candidate, distance };
  }
  return best !== undefined && best.distance <= Math.max(1, last.length * 0.4) ? best.path : undefined;
}

function unknownKey(path: string): string {
  const guess = nearest(path);
  return `there is no setting ${path}${guess === undefined ? ' (`parley config` lists them all)' : `; did you mean ${guess}?`}`;
}

const shown = (value: unknown): string => (value === undefined ? 'not there' : (JSON.stringify(value) ?? String(value)).slice(0, 80));

function sentence(value: unknown, issue: z.core.$ZodIssue): string {
  const path = join(...issue.path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(join(path, key))).join('\n  ');
  const found = path === '' ? value : valueAt(value as object, path);
  const expected = leaves.get(path)?.description ?? 'a group of settings, { … }';
  return `${path === '' ? 'the configuration' : path} is ${shown(found)}, and should be ${expected}`;
}

/** Refuses, in one sentence and line a fault, what no configuration may be. `from`: where the values stand. */
export function checkConfig(value: unknown, from: string): ConfigFile {
  const result = schema.safeParse(value);
  if (result.success) return result.data as ConfigFile;
  const sentences = result.error.issues.map((issue) => sentence(value, issue)).join('\n  ');
  throw new Failure('bad-field', sentences.includes('\n') ? `${from}:\n  ${sentences}` : `${from}: ${sentences}`);
}

/** Refuses settings that contradict one another, once all are known. */
export function checkTogether(config: object, from: string): void {
  for (const [low, high] of ORDERED) {
    const [lower, upper] = [valueAt(config, low) as number, valueAt(config, high) as number];
    if (lower > upper) throw new Failure('bad-field', `${from}: ${low} is ${lower}, and should be at most ${high}, which is ${upper}`);
  }
}
