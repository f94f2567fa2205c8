import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Config, type ConfigFile, defaults } from './config.ts';
import { checkConfig, checkTogether, settings, valueAt } from './config-check.ts';
import { Failure } from './failure.ts';

/** What stands on the command line, as text. */
export interface Flags {
  readonly config?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly data?: string | undefined;
  readonly limits?: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Loaded {
  readonly config: Config;
  /** The file that was read. */
  readonly file: string;
  /** Where each setting's value came from: `default`, a file, a variable or a flag. */
  readonly origins: ReadonlyMap<string, string>;
}

interface Override {
  readonly flag: keyof Flags;
  readonly variable: string;
  readonly path: string;
  readonly read: (text: string, from: string) => unknown;
}

const asNumber = (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text);

/** Flags and variables have the same names: `--port` is PARLEY_PORT. */
const OVERRIDES: readonly Override[] = [
  { flag: 'host', variable: 'PARLEY_HOST', path: 'listen.host', read: String },
  { flag: 'port', variable: 'PARLEY_PORT', path: 'listen.port', read: asNumber },
  { flag: 'data', variable: 'PARLEY_DATA', path: 'data', read: String },
  { flag: 'limits', variable: 'PARLEY_LIMITS', path: 'rates.on', read: onOrOff },
];

function onOrOff(text: string, from: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new Failure('bad-field', `${from} is ${JSON.stringify(text)}, and should be "on" or "off"`);
}

const OWN_FILE = 'cluster.config.ts';
const sourceFolder = dirname(fileURLToPath(import.meta.url));
/** The project's root: this file is in src there, or in dist/src when built. */
const root = basename(dirname(sourceFolder)) === 'dist' ? dirname(dirname(sourceFolder)) : dirname(sourceFolder);

const failure = (file: string, problem: string, cause?: unknown): Failure => new Failure('bad-field', `${file}: ${problem}`, { cause });

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw failure(file, `this isn't JSON (${(error as Error).message})`, error);
  }
}

async function importDefault(file: string): Promise<unknown> {
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  if (module.default === undefined) throw failure(file, 'it has no default export; write `export default { … }`');
  return module.default;
}

function importTypeScript(file: string): Promise<unknown> {
  const { typescript } = process.features as { typescript?: unknown };
  if (typescript) return importDefault(file);
  throw failure(file, `Node ${process.versions.node} can't read TypeScript; name it .mjs or .json, or use Node 22.18 or later`);
}

async function readAny(file: string): Promise<unknown> {
  switch (extname(file)) {
    case '.json':
      return readJson(file);
    case '.js':
    case '.mjs':
      return importDefault(file);
    case '.ts':
    case '.mts':
      return importTypeScript(file);
    default:
      throw failure(file, 'a configuration file ends in .ts, .mjs, .js or .json');
  }
}

async function readConfigFile(given: string | undefined): Promise<{ readonly file: string; readonly value: unknown }> {
  const file = given === undefined ? join(root, OWN_FILE) : resolve(given);
  // The project's own file was built with the rest, so that Node 20 can read it too.
  if (file === join(root, OWN_FILE)) return { file, value: (await import('../cluster.config.ts')).default };
  try {
    return { file, value: await readAny(file) };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw failure(file, 'there is no such file', error);
    const advice = message.startsWith('Cannot find') ? '; `export default { … }` needs no import' : '';
    throw failure(file, `it can't be read (${message.split('\n')[0]}${advice})`, error);
  }
}

/** What flags and variables say, as if it stood in a file; the flag wins. */
function override(flags: Flags, env: Environment): Map<string, { readonly value: unknown; readonly from: string }> {
  const found = new Map<string, { value: unknown; from: string }>();
  for (const { flag, variable, path, read } of OVERRIDES) {
    const text = flags[flag] ?? (env[variable] || undefined);
    if (text === undefined) continue;
    const from = flags[flag] === undefined ? variable : `--${flag}`;
    const value = read(text, from);
    checkConfig(nested(path, value), from);
    found.set(path, { value, from });
  }
  return found;
}

const nested = (path: string, value: unknown): unknown => path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);

function put(config: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() as string;
  let group = config;
  for (const key of keys) {
    group[key] ??= {};
    group = group[key] as Record<string, unknown>;
  }
  group[last] = value;
}

/** Variables that are meant for Parley and that it doesn't know: somebody expects something of them. */
export function unknownVariables(env: Environment): readonly string[] {
  const known = new Set(['PARLEY_CONFIG', 'PARLEY_SECRET', ...OVERRIDES.map(({ variable }) => variable)]);
  return Object.keys(env)
    .filter((name) => name.startsWith('PARLEY_') && !known.has(name))
    .sort();
}

/** Flags win over variables, these over the file, the file over the defaults. */
export async function loadConfig(flags: Flags, env: Environment): Promise<Loaded> {
  const { file, value } = await readConfigFile(flags.config ?? (env['PARLEY_CONFIG'] || undefined));
  const name = relative('.', file).startsWith('..') ? file : relative('.', file);
  const fromFile: ConfigFile = checkConfig(value, name);
  const overrides = override(flags, env);
  const origins = new Map<string, string>();
  const config: Record<string, unknown> = {};
  for (const path of settings) {
    const overridden = overrides.get(path);
    const filed = valueAt(fromFile, path);
    const usual = valueAt(defaults, path);
    put(config, path, overridden?.value ?? filed ?? usual);
    // The project's own file repeats the defaults: what it says about a setting counts once it differs.
    origins.set(path, overridden?.from ?? (filed === undefined || filed === usual ? 'default' : name));
  }
  checkTogether(config, name);
  config['data'] = resolve(config['data'] as string);
  return { config: config as unknown as Config, file, origins };
}
