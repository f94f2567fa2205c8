/**
 * Installs and builds what is missing, and only that, so that `npm start` and `npm test` work straight
 * after `git clone`. It speaks on stderr, because the output of `parley token` is meant for pipes.
 * Plain JavaScript without dependencies: it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCES = ['cluster.config.ts', 'src', 'test', 'bench'];
const STAMP = join(root, 'dist', '.built-from');
const LOCK = join(root, '.ensure.lock');

/** @param {string} line */
const say = (line) => process.stderr.write(`${line}\n`);

/** @param {string} line @returns {never} */
function giveUp(line) {
  say(`parley: ${line}`);
  process.exit(1);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) giveUp(`this is Node ${process.versions.node}, and Parley needs Node 20.19 or later`);
}

/** Whether node_modules holds what the lock file says. Of packages for other systems there needn't be any. */
function installed() {
  const present = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(present)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(present, 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    if (found[path] === undefined ? !entry.optional : found[path].version !== entry.version) return false;
  }
  return true;
}

/** One step, with its output on stderr; npm and tsc show their own progress on a terminal. */
function run(title, command, args, advice) {
  say(title);
  const started = Date.now();
  const windows = process.platform === 'win32';
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: windows && command === 'npm' });
  if (result.error !== undefined) giveUp(`${command} can't be run (${result.error.message}). ${advice}`);
  if (result.status !== 0) giveUp(advice);
  say(`  done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** @param {string} path relative to the root @returns {string[]} */
function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { withFileTypes: true }).flatMap((entry) => {
    const inside = `${path}/${entry.name}`;
    return entry.isDirectory() ? filesUnder(inside) : [inside];
  });
}

/** A short name for the state of all that goes into the build. */
function sourcesNow(files) {
  const hash = createHash('sha256');
  for (const file of [...files, 'tsconfig.json', 'package-lock.json']) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

/** A file that was renamed must not live on in dist, where a test or an import would still find it. */
function removeOrphans(sources) {
  const kept = new Set(sources.map((file) => `dist/${file.replace(/\.ts$/, '.js')}`));
  for (const file of filesUnder('dist')) if (file.endsWith('.js') && !kept.has(file)) rmSync(join(root, file));
}

const sources = () => SOURCES.flatMap(filesUnder).filter((file) => file.endsWith('.ts'));
const built = () => existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sourcesNow(sources());

function build() {
  const files = sources();
  const now = sourcesNow(files);
  removeOrphans(files);
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run(
    'Building (tsc) …',
    process.execPath,
    [tsc, '--pretty', String(process.stderr.isTTY === true)],
    'the build failed: the lines above say where',
  );
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, now);
}

/** Whether the process that took the lock ended without letting go. */
function orphaned() {
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** `npm start` and `npm test` in two terminals at once: the second waits for the first. */
function lock() {
  for (let waited = 0; ; waited++) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      process.on('exit', () => rmSync(LOCK, { force: true }));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') giveUp(`nothing can be written here (${error.message}), and there is something to install or build`);
      if (waited === 1) say('Waiting for another npm start or npm test that installs or builds …');
      if (orphaned()) rmSync(LOCK, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

checkNode();
if (!installed() || !built()) {
  lock();
  if (!installed())
    run(
      'Installing packages (npm ci), once …',
      'npm',
      ['ci', '--no-audit', '--no-fund'],
      'the packages could not be installed: npm says why above. Is the network there?',
    );
  if (!built()) build();
  rmSync(LOCK, { force: true });
}
