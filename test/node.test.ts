import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import t from 'tap';
import { Failure } from '../src/failure.ts';
import { silentLog } from '../src/log.ts';
import { openLog } from '../src/log-output.ts';
import * as main from '../src/main.ts';
import { watchOverload } from '../src/overload.ts';
import { temporaryDirectory } from './support/data.ts';
import { ManualClock } from './support/manual-clock.ts';
import { startNode, testConfig } from './support/node.ts';
import { welcomed } from './support/raw-client.ts';
import { testSecret } from './support/token.ts';

t.test('two people talk, and after a restart all of it is there', async (t) => {
  const data = await temporaryDirectory(t);
  const node = await startNode(t, { data });
  const [alice, bob] = await Promise.all([welcomed(node, 'alice'), welcomed(node, 'bob')]);
  alice.say({ type: 'send', conversation: '@bob', clientId: '1', body: { text: 'Hello Bob' } });
  t.match(await alice.next('sent'), { seq: 1, lsn: 1 });
  t.match(await bob.next('event'), { conversation: '@alice', body: { text: 'Hello Bob' } });
  await node.stop();
  t.match(await alice.closed, { code: 4000 });

  const again = await startNode(t, { data });
  const back = await welcomed(again, 'alice');
  back.say({ type: 'history', id: 'h', conversation: '@bob' });
  t.match(await back.next('page'), { entries: [{ seq: 1, from: 'alice', body: { text: 'Hello Bob' } }] });
  back.say({ type: 'send', conversation: '@bob', clientId: '1', body: { text: 'Hello Bob' } });
  t.match(await back.next('sent'), { seq: 1, lsn: 1, duplicate: true });
  await back.end();
});

t.test('a node on the memory store answers as any other', async (t) => {
  const node = await startNode(t, { store: 'memory' });
  t.match(await (await fetch(`${node.url}/readyz`)).json(), { status: 'ready' });
});

t.test('actors get half of V8’s heap at most', async (t) => {
  const told: unknown[] = [];
  const log = { ...silentLog, info: (event: string, fields?: object) => void told.push({ event, ...fields }) };
  const open = async (activationBytesMax: number): Promise<void> => {
    const config = testConfig(await temporaryDirectory(t), { store: 'memory', runtime: { activationBytesMax } });
    const node = await main.startNode({ config, log, secret: testSecret });
    await node.stop('the test ends');
  };
  const bounded = (): unknown => told.splice(0).find((line) => (line as { event: string }).event === 'actors-memory-bounded');
  const half = Math.floor(getHeapStatistics().heap_size_limit / 2);
  await open(half + 1);
  t.match(bounded(), { askedBytes: half + 1, bytes: half });
  await open(half);
  t.equal(bounded(), undefined);
});

t.test('where a port is taken, nothing is left open', async (t) => {
  const holder = createServer();
  await new Promise<void>((listening) => holder.listen(0, '127.0.0.1', listening));
  t.teardown(() => holder.close());
  const { port } = holder.address() as { port: number };
  await t.rejects(startNode(t, { listen: { port } }), { message: `port ${port} is in use; give another with --port` });
});

t.test('the log is one JSON object per event for machines, and a line for eyes', async (t) => {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line) };
  const now = () => Date.UTC(2026, 0, 2, 3, 4, 5);
  const json = openLog({ level: 'info', format: 'json', now }, sink);
  json.debug('not-told');
  json.info('listening', { port: 8080 });
  json.error('crashed', { error: new Failure('internal', 'why', { cause: new Error('the cause') }) });
  t.equal(lines.length, 2);
  t.match(JSON.parse(lines[0] ?? ''), { level: 'info', event: 'listening', port: 8080, time: /^\d{4}-/ });
  t.match(JSON.parse(lines[1] ?? ''), { level: 'error', event: 'crashed', error: { message: /why.*the cause/, code: 'internal' } });

  lines.length = 0;
  const text = openLog({ level: 'warn', format: 'text', now }, sink);
  text.info('not-told');
  text.warn('slow', { store: 'leveldb', ms: 12, nothing: undefined });
  text.error('crashed', { error: new Error('boom') });
  t.equal(lines.length, 2);
  t.match(lines[0], /^\d\d:\d\d:\d\d {2}.*slow.* store=leveldb ms=12\n$/);
  t.match(lines[1], /crashed.*error=Error: boom\n {4}at /);
});

t.test('work is refused while too much waits or the process comes late, and taken again after', async (t) => {
  const clock = new ManualClock();
  let waiting = 0;
  let problem: string | undefined;
  const settings = { waitingMax: 100, lagMaxMs: 250, retryMs: 1_000 };
  const overload = watchOverload(
    clock,
    settings,
    () => waiting,
    () => problem,
  );
  clock.advance(100);
  t.equal(overload.shed(), undefined);
  waiting = 101;
  clock.advance(20);
  t.match(overload.shed(), { code: 'overloaded', retryAfterMs: 1_000 });
  waiting = 100;
  clock.advance(20);
  t.equal(overload.shed(), undefined);
  t.equal(overload.refusesWrites(), undefined);
  problem = 'the disk is full';
  clock.advance(20);
  t.match(overload.refusesWrites(), { code: 'unavailable', message: /the disk is full/ });
  t.equal(overload.shed(), undefined, 'reads go on');
  overload.stop();
  problem = undefined;
  clock.advance(1_000);
  t.match(overload.refusesWrites(), { code: 'unavailable' }, 'it looks no more');
});

t.test('key files that can’t be used, and a secret that can be guessed, are refused in one sentence', async (t) => {
  const file = join(await temporaryDirectory(t), 'key');
  await t.rejects(startNode(t, { tokens: { publicKeyFile: file } }), { message: `tokens.publicKeyFile: ${file} can't be read (ENOENT)` });
  await writeFile(file, 'no key');
  await t.rejects(startNode(t, { tokens: { publicKeyFile: file } }), { message: `tokens.publicKeyFile: ${file} holds no PEM public key` });
  await t.rejects(startNode(t, { tokens: { jwksFile: file } }), { message: `tokens.jwksFile: ${file} holds no JWKS` });
  await t.rejects(startNode(t, {}, { secret: 'short' }), { message: /PARLEY_SECRET has fewer than 32 bytes/ });
});

t.test('a note that a power cut left unfinished keeps no node from starting', async (t) => {
  const data = await temporaryDirectory(t);
  await writeFile(join(data, 'node.json'), '{"pid"');
  const node = await startNode(t, { data });
  t.equal((await fetch(`${node.url}/readyz`)).status, 200);
});
