/**
 * Does what the README's first minutes say, as they say it, in a fresh clone: what stands between
 * `<!-- first minutes -->` and `<!-- /first minutes -->`, block by block.
 *
 * - A shell block is run. One with `npm start` is a server and goes on running; of one with `parley token NAME`
 *   the last line is NAME's token; a line that begins with `npx --yes wscat` says where the clients connect.
 * - In other blocks `alice> FRAME` is sent on alice's WebSocket, with her token for TOKEN, and `alice< FRAME` must
 *   come: what it names has to be equal, `at` apart, and "…" stands for anything.
 *
 * `node scripts/first-minutes.mjs [README]`; it clones the last commit.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = resolve(process.argv[2] ?? join(root, 'README.md'));
const START_WITHIN_MS = 300_000;
const FRAME_WITHIN_MS = 15_000;

const folder = mkdtempSync(join(tmpdir(), 'parley-first-minutes-'));
const tokens = new Map();
const sockets = new Map();
let directory = folder;
let server;
let address = 'ws://localhost:8080/v1/ws';
let port = 8080;

const say = (line) => process.stdout.write(`${line}\n`);
const environment = () => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|PARLEY_|NODE_OPTIONS)/.test(name));
  return { ...Object.fromEntries(kept), ...(port === 8080 ? {} : { PARLEY_PORT: String(port) }) };
};

function blocks() {
  const text = readFileSync(readme, 'utf8');
  const part = /<!-- first minutes -->([\s\S]*?)<!-- \/first minutes -->/.exec(text)?.[1];
  if (part === undefined) throw new Error(`${readme} has no <!-- first minutes --> … <!-- /first minutes -->`);
  return [...part.matchAll(/^```(\w*).*\n([\s\S]*?)^```$/gm)].map(([, language, content]) => ({ language, content }));
}

/** The port of the README, or a free one where something else listens there. */
async function choosePort() {
  const free = (wanted) =>
    new Promise((done) => {
      const probe = createServer();
      probe.once('error', () => done(undefined));
      probe.listen(wanted, () => {
        const { port } = probe.address();
        probe.close(() => done(port));
      });
    });
  port = (await free(8080)) ?? (await free(0));
  if (port !== 8080) say(`(port 8080 is taken here: PARLEY_PORT=${port})`);
}

function bash(script, options) {
  const cloning = script.replace(
    /git clone (\S+)(?: (\S+))?/,
    (_, url, name) => `git clone --quiet ${root} ${name ?? basename(url, '.git')}`,
  );
  return spawn('bash', ['-euc', cloning], { cwd: directory, env: environment(), stdio: ['ignore', 'pipe', 'inherit'], ...options });
}

async function run(script) {
  const child = bash(script);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`it ended with ${code}: ${script}`);
  return output;
}

async function startServer(script) {
  // A group of its own, so that npm and what it started can be ended together.
  server = bash(script, { detached: true });
  let output = '';
  server.stdout.on('data', (chunk) => (output += chunk));
  const until = Date.now() + START_WITHIN_MS;
  while (!output.includes('listening')) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}:\n${output}`);
    if (Date.now() > until) throw new Error(`the server doesn't listen:\n${output}`);
    await pause(50);
  }
  const entered = /^cd (\S+)$/m.exec(script)?.[1];
  if (entered !== undefined) directory = join(directory, entered);
}

async function stopServer() {
  for (const { socket } of sockets.values()) socket.terminate();
  sockets.clear();
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
  process.kill(-server.pid, 'SIGTERM');
  await once(server, 'close');
}

async function shell(content) {
  const connects = /^npx --yes wscat .*?(wss?:\S+)/m.exec(content)?.[1];
  if (connects !== undefined) {
    address = connects.replace(':8080', `:${port}`);
    return;
  }
  if (content.includes('npm start')) return startServer(content);
  const user = /parley token (\S+)/.exec(content)?.[1];
  const kills = content.includes('kill -9');
  const ended = kills ? once(server, 'close') : undefined;
  const output = await run(content);
  if (user !== undefined) tokens.set(user, output.trim().split('\n').at(-1));
  if (kills) {
    await ended;
    sockets.clear();
  }
}

async function socketOf(user) {
  const known = sockets.get(user);
  if (known !== undefined) return known;
  const socket = new WebSocket(address);
  const opened = { socket, frames: [] };
  sockets.set(user, opened);
  socket.on('message', (text) => opened.frames.push(...[JSON.parse(text)].flat()));
  socket.on('error', (error) => say(`${user}: ${error.message}`));
  await once(socket, 'open');
  return opened;
}

function matches(expected, found, key = '') {
  if (expected === '…') return found !== undefined;
  if (key === 'at') return typeof found === 'number';
  if (typeof expected !== 'object' || expected === null) return expected === found;
  return (
    typeof found === 'object' && found !== null && Object.entries(expected).every(([name, value]) => matches(value, found[name], name))
  );
}

async function receive(user, expected) {
  const { frames } = await socketOf(user);
  const until = Date.now() + FRAME_WITHIN_MS;
  const seen = [];
  for (;;) {
    const frame = frames.shift();
    if (frame === undefined) {
      if (Date.now() > until) throw new Error(`${user} should read ${JSON.stringify(expected)}, and read ${JSON.stringify(seen)}`);
      await pause(5);
    } else if (matches(expected, frame)) return;
    else seen.push(frame);
  }
}

async function transcript(content) {
  for (const line of content.split('\n')) {
    const [, user, direction, text] = /^(\w+)([<>]) (.+)$/.exec(line) ?? [];
    if (user === undefined) continue;
    say(`    ${line}`);
    if (direction === '<') await receive(user, JSON.parse(text));
    else (await socketOf(user)).socket.send(text.replace('TOKEN', tokens.get(user) ?? 'TOKEN'));
  }
}

try {
  await choosePort();
  for (const { language, content } of blocks()) {
    if (['sh', 'bash', 'shell', 'console'].includes(language)) {
      say(content.trimEnd().replace(/^/gm, '    $ '));
      await shell(content);
    } else await transcript(content);
  }
  say('the first minutes are as the README says');
} catch (error) {
  say(`first minutes: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopServer();
  rmSync(folder, { recursive: true, force: true });
}
