import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDecoder } from 'fast-jwt';
import t, { type Test } from 'tap';
import WebSocket from 'ws';
import { greeting } from '../src/cli/greeting.ts';
import { type Config, defaults } from '../src/config.ts';
import { temporaryDirectory } from './support/data.ts';
import { cleanEnvironment, forkNode, PROGRAM, run } from './support/forked-node.ts';
import { testSecret } from './support/token.ts';
import { waitUntil } from './support/wait-until.ts';

t.setTimeout(240_000);

/** Whom a token names, and for about how many seconds from now it is good. */
function tokenOf(output: string): { readonly user: string; readonly forSeconds: number } {
  const { sub, exp } = createDecoder()(lastLine(output)) as { sub: string; exp: number };
  return { user: sub, forSeconds: Math.round((exp - Date.now() / 1000) / 10) * 10 };
}

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';

/** Everything in a directory, with its content: to see that nothing was touched. */
async function contents(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(await Promise.all(files.sort().map(async (file) => [file, await readFile(file, 'latin1')])));
}

/** The one sentence with which a command refuses. */
async function refusal(t: Test, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await run(args, { env });
  t.equal(code, 1, `${args.join(' ')} exits with 1`);
  t.equal(stdout, '', 'stdout stays empty');
  t.equal(stderr.trimEnd().split('\n').length, 1, `one line: ${stderr}`);
  return stderr;
}

t.test('--help says what there is, with examples', async (t) => {
  const { code, stdout } = await run(['--help']);
  t.equal(code, 0);
  for (const word of ['start', 'token', 'status', 'config', 'PARLEY_PORT', 'npx parley token alice']) t.match(stdout, word);
  t.match((await run(['start', '--help'])).stdout, /--port <number>[\s\S]*--limits[\s\S]*Examples:/);
  t.match((await run(['token', '--help'])).stdout, /--ttl <seconds>[\s\S]*Examples:/);
  t.match((await run([])).stderr, /Usage: parley/, 'nothing typed is a question');
});

t.test('the version, and help as a command', async (t) => {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  t.equal((await run(['--version'])).stdout, `${version}\n`);
  t.match((await run(['help', 'token'])).stdout, /--ttl <seconds>/);
});

t.test('the greeting offers tokens only where the node’s own are good', (t) => {
  const config = defaults as unknown as Config;
  const node = { url: 'http://localhost:8080', wsUrl: 'ws://localhost:8080/v1/ws' };
  t.match(greeting(config, node), 'npx parley token alice');
  const foreign = greeting({ ...config, tokens: { ...config.tokens, publicKeyFile: 'issuer.pem' } }, node);
  t.notMatch(foreign, 'npx parley token');
  t.match(foreign, /private key to issuer\.pem/);
  t.end();
});

t.test('a data directory that the system can’t make is refused at once', { skip: process.platform !== 'linux' }, async (t) => {
  t.match(await refusal(t, ['start', '--port', '0', '--data', '/proc/nowhere/deeper']), /the data directory .* can't be used \(ENOENT\)/);
});

t.test('what is mistyped gets the nearest word', async (t) => {
  const command = await run(['tokn']);
  t.equal(command.code, 1);
  t.match(command.stderr, /unknown command 'tokn'\n\(Did you mean token\?\)/);
  t.match((await run(['start', '--prot', '1'])).stderr, /^parley: unknown option '--prot'\n\(Did you mean --port\?\)/);
  t.match(
    await refusal(t, ['start', '--port', 'http']),
    /^parley: --port: listen\.port is "http", and should be a whole number from 0 to 65,535\n$/,
  );
});

t.test('parley token prints a token alone on its last line', async (t) => {
  const env = { PARLEY_SECRET: testSecret };
  const usual = await run(['token', 'alice'], { env });
  t.match(usual, { code: 0, stderr: '' });
  t.same(tokenOf(usual.stdout), { user: 'alice', forSeconds: 2_592_000 });
  t.same(tokenOf((await run(['token', 'bob', '--ttl', '60'], { env })).stdout), { user: 'bob', forSeconds: 60 });
  t.same(tokenOf((await run(['token', 'bob', '--ttl', '-60'], { env })).stdout), { user: 'bob', forSeconds: -60 });
});

t.test('parley token says what it lacks', async (t) => {
  const data = await temporaryDirectory(t);
  t.match(await refusal(t, ['token', 'alice', '--data', data]), /there is no secret in .* yet: start the node first/);
  t.match(await refusal(t, ['token', 'a b', '--data', data]), /"a b" is no user id/);
  t.match(
    await refusal(t, ['token', 'alice', '--ttl', 'soon'], { PARLEY_SECRET: testSecret }),
    /--ttl is "soon", and should be a whole number/,
  );
  await writeFile(join(data, 'secret'), '');
  t.match(await refusal(t, ['token', 'alice', '--data', data]), /secret is empty/);
});

t.test('parley config prints what is in force and where it came from, and never the secret', async (t) => {
  const env = { PARLEY_SECRET: testSecret, PARLEY_PORT: '9001' };
  const table = await run(['config', '--host', '127.0.0.1'], { env });
  t.equal(table.code, 0);
  t.match(table.stdout, /listen\.port +9001 +PARLEY_PORT\n/);
  t.match(table.stdout, /listen\.host +"127\.0\.0\.1" +--host\n/);
  t.match(table.stdout, /limits\.bodyBytesMax +16_384 +default\n/);
  t.match(table.stdout, /secret +\(never shown\) +PARLEY_SECRET\n/);
  const json = await run(['config', '--json'], { env });
  const { settings, secret } = JSON.parse(json.stdout) as { settings: { setting: string }[]; secret: unknown };
  t.match(
    settings.find(({ setting }) => setting === 'listen.port'),
    { value: 9001, from: 'PARLEY_PORT' },
  );
  t.same(secret, { from: 'PARLEY_SECRET' });
  t.notMatch(table.stdout + json.stdout, testSecret);
  const data = await temporaryDirectory(t);
  t.match((await run(['config', '--data', data])).stdout, /secret +\(never shown\) +made on first start/);
});

t.test('a node says one line of JSON per event, answers, and stops on SIGTERM', async (t) => {
  const node = await forkNode(t);
  t.match(
    node.log.find(({ event }) => event === 'listening'),
    { level: 'info', url: String, data: node.data },
  );
  t.equal((await fetch(`${node.url}/readyz`)).status, 200);
  const status = await run(['status', '--data', node.data], { env: { PARLEY_SECRET: testSecret } });
  t.match(status, { code: 0, stderr: '' });
  for (const line of [/users, 0 groups/, /0 WebSockets, 0 polls/, /0\/s/, /nothing was sent/, /leveldb/, /MiB/])
    t.match(status.stdout, line);
  const json = await run(['status', '--data', node.data, '--json'], { env: { PARLEY_SECRET: testSecret } });
  t.match(JSON.parse(json.stdout), { pid: node.pid, gateway: { connections: 0 }, store: { engine: 'leveldb' } });
  const wrong = await refusal(t, ['status', '--data', node.data], { PARLEY_SECRET: 'another one' });
  t.match(wrong, /has another secret/);

  const socket = new WebSocket(node.wsUrl);
  await once(socket, 'open');
  const frames: { type: string }[] = [];
  socket.on('message', (text: Buffer) => frames.push(...[JSON.parse(text.toString())].flat()));
  socket.send(JSON.stringify({ type: 'hello', token: node.token('alice'), device: 'd' }));
  await waitUntil('alice is welcome', () => frames.some(({ type }) => type === 'welcome'));
  const closed = once(socket, 'close');
  const exit = await node.stop();
  t.match(exit, { code: 0, signal: null });
  t.ok(exit.afterMs < 10_000, 'within 10 s');
  t.ok(
    frames.some(({ type }) => type === 'goaway'),
    'the client was told',
  );
  t.equal((await closed)[0], 4000);
  t.match(node.log.at(-1), { event: 'stopped' });
  t.equal(node.stderr(), '');
  t.match(await refusal(t, ['status', '--data', node.data]), /no node runs on/);
});

t.test('Ctrl-C that arrives twice, from the terminal and from npm, is one wish', async (t) => {
  const node = await forkNode(t);
  process.kill(node.pid, 'SIGINT');
  t.match(await node.stop('SIGINT'), { code: 0, signal: null });
});

t.test('a second wish ends it at once', async (t) => {
  const node = await forkNode(t);
  const lingering = new WebSocket(node.wsUrl);
  await once(lingering, 'open');
  lingering.on('error', () => {});
  const asking = setInterval(() => process.kill(node.pid, 'SIGINT'), 50);
  const stopped = await node.exited();
  clearInterval(asking);
  t.match(stopped, { code: 1, signal: null });
  t.match(node.log.at(-1), { event: 'stopped-at-once' });
});

t.test('after kill -9 it starts again from the same data, and status says what happened', async (t) => {
  const node = await forkNode(t);
  await node.kill();
  t.match(await refusal(t, ['status', '--data', node.data]), /was killed; start it again/);
  await node.restart();
  t.equal((await fetch(`${node.url}/readyz`)).status, 200);
});

t.test('the secret is made on first start, kept, and readable by its owner alone', async (t) => {
  const data = await temporaryDirectory(t);
  const child = await startUntilListening(t, ['start', '--port', '0', '--data', data]);
  const file = join(data, 'secret');
  t.equal((await stat(file)).mode & 0o777, 0o600);
  const secret = await readFile(file, 'utf8');
  t.ok(secret.trim().length >= 43, '32 random bytes');
  t.match((await run(['status', '--data', data])).stdout, /users/);
  const token = lastLine((await run(['token', 'alice', '--data', data])).stdout);
  const answer = await fetch(`${child.url}/v1/poll?device=d&wait=0`, { headers: { authorization: `Bearer ${token}` } });
  t.equal(answer.status, 200, 'a token made by the CLI is good');
  await answer.text();
  await child.stop();
  const again = await startUntilListening(t, ['start', '--port', '0', '--data', data]);
  t.equal(await readFile(file, 'utf8'), secret);
  await again.stop();
});

t.test('for eyes, start shows where it listens, the token commands and the first frames', async (t) => {
  const data = await temporaryDirectory(t);
  const config = join(data, 'parley.json');
  await writeFile(config, JSON.stringify({ log: { format: 'text' } }));
  const child = await startUntilListening(t, ['start', '--port', '0', '--data', data, '--config', config, '--limits', 'off']);
  const shown = child.stdout();
  for (const line of [
    `Parley listens on ${child.url}`,
    data,
    'token alice',
    'token bob',
    '"type":"hello"',
    '"type":"send"',
    'limits-off',
  ]) {
    t.ok(shown.includes(line), line);
  }
  await child.stop();
  const after = child.stdout().slice(shown.length);
  t.match(after, /^\nStopping: [^\n]+\n/, 'stopping is a sentence, too');
  t.ok(after.endsWith(`\nStopped. Everything is in ${data}.\n`), after);
});

t.test('what can’t start says so in one sentence, and touches nothing', async (t) => {
  const node = await forkNode(t);
  const port = new URL(node.url).port;
  const before = await contents(node.data);
  t.match(
    await refusal(t, ['start', '--port', '0', '--data', node.data], { PARLEY_SECRET: testSecret }),
    /is in use by the node at http:\/\/127\.0\.0\.1:\d+ \(process \d+\); stop it/,
  );
  t.same(await contents(node.data), before, 'the data of the running node');

  const parent = await temporaryDirectory(t);
  t.match(await refusal(t, ['start', '--port', port, '--data', join(parent, 'new')]), /port \d+ is in use; give another with --port/);
  t.same(await readdir(parent), [], 'where the port is taken');

  await writeFile(join(parent, 'file'), '');
  t.match(
    await refusal(t, ['start', '--port', '0', '--data', join(parent, 'file', 'data')]),
    /data directory .* can't be used \(ENOTDIR\)/,
  );

  const newer = join(parent, 'newer');
  await mkdir(join(newer, 'store'), { recursive: true });
  await writeFile(join(newer, 'store', 'format'), 'parley store 99\n');
  const untouched = await contents(newer);
  t.match(await refusal(t, ['start', '--port', '0', '--data', newer]), /newer/);
  t.same(await contents(newer), untouched, 'data of a newer version');
});

interface Started {
  readonly url: string;
  stdout(): string;
  stop(): Promise<void>;
}

/** The program as a person starts it, without the environment of tests. */
async function startUntilListening(t: Test, args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  t.teardown(() => child.kill('SIGKILL'));
  await waitUntil('it listens', () => /https?:\/\/\S+:\d+/.test(stdout) || child.exitCode !== null);
  const url = /https?:\/\/[^\s"]+:\d+/.exec(stdout)?.[0] ?? '';
  return {
    url,
    stdout: () => stdout,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
