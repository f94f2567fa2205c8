import t, { type Test } from 'tap';
import { storeDirectory } from '../src/data-directory.ts';
import { openDisk } from '../src/storage/disk.ts';
import { startLevelStore } from '../src/storage/leveldb.ts';
import { FaultyDisk } from './contract/faulty-disk.ts';
import { startNode, type TestNode } from './support/node.ts';
import { type Frame, type RawClient, welcomed } from './support/raw-client.ts';
import { waitUntil } from './support/wait-until.ts';

const send = (clientId: string, to = '@bob') => ({ type: 'send', conversation: to, clientId, body: { text: clientId } });
const ids = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);

/** How each of these sends was answered last. */
async function answers(client: RawClient, clientIds: readonly string[]): Promise<Map<string, Frame>> {
  const all = await Promise.all(
    clientIds.map((id) => client.next((frame) => (frame.type === 'sent' || frame.type === 'error') && frame['clientId'] === id)),
  );
  return new Map(clientIds.map((id, index) => [id, all[index] as Frame]));
}

/** Sends again, as a client does, until all are stored. */
async function sendAll(client: RawClient, clientIds: readonly string[], to?: string): Promise<void> {
  for (let left = clientIds; left.length > 0; ) {
    const now = left.slice(0, 32);
    client.say(...now.map((id) => send(id, to)));
    const given = await answers(client, now);
    left = [...now.filter((id) => given.get(id)?.type !== 'sent'), ...left.slice(32)];
  }
}

/** What the device got of these, in the order of its lsns; fails where one is missing or doubled. */
async function received(t: Test, client: RawClient, clientIds: readonly string[]): Promise<void> {
  const wanted = new Set(clientIds);
  const events = (): Frame[] => client.received.filter((frame) => frame.type === 'event' && wanted.has(frame['clientId'] as string));
  await waitUntil('all events came', () => events().length >= clientIds.length);
  t.equal(new Set(events().map((frame) => frame['clientId'])).size, events().length, 'none twice');
  const lsns = client.received.filter(({ type }) => type === 'event').map((frame) => frame['lsn'] as number);
  t.ok(
    lsns.every((lsn, index) => index === 0 || lsn === (lsns[index - 1] as number) + 1),
    'without a gap',
  );
}

const waiting = async (node: TestNode): Promise<number> => {
  const answer = await fetch(`${node.url}/readyz`);
  await answer.body?.cancel();
  return answer.status;
};

t.test('a store that hangs: sends fail in time, connections stay, and all goes on when it does', async (t) => {
  let disk: FaultyDisk | undefined;
  const storage = { stallMs: 150, queueDeadlineMs: 150, tickMs: 10 };
  const node = await startNode(
    t,
    { storage, limits: { requestTimeoutMs: 1_000 } },
    {
      openStore: async (config, clock, log) => {
        disk = new FaultyDisk(await openDisk(storeDirectory(config.data)));
        return startLevelStore(disk, clock, config.storage, log);
      },
    },
  );
  const [alice, bob, eve] = await Promise.all([welcomed(node, 'alice'), welcomed(node, 'bob'), welcomed(node, 'eve')]);
  await sendAll(alice, ids('before', 3));

  disk?.nextWrite('hangs');
  const during = ids('during', 100);
  alice.say(...during.slice(0, 50).map((id) => send(id)));
  await waitUntil('the node says that it takes no writes', async () => (await waiting(node)) === 503);
  alice.say(...during.slice(50).map((id) => send(id)));
  const given = [...(await answers(alice, during)).values()];
  t.ok(
    given.every(({ code }) => code === 'unavailable' || code === 'timeout'),
    'each is told that nothing was stored, or that it is not known',
  );
  t.ok(given.filter(({ code }) => code === 'unavailable').every(({ retryAfterMs }) => (retryAfterMs as number) > 0));
  eve.say(send('other', '@bob'), { type: 'block', user: 'alice', id: 'b' });
  t.match(await eve.next('error'), { code: 'unavailable' });
  t.match(await eve.next('error'), { code: 'unavailable' });

  for (const client of [alice, bob, eve]) {
    client.say({ type: 'ping', id: 'p' });
    t.match(await client.next('pong'), { id: 'p' }, 'the connection is alive');
  }
  bob.say({ type: 'history', id: 'h', conversation: '@alice' });
  const page = await bob.next(({ id }) => id === 'h');
  t.ok(page.type === 'page' || page['code'] === 'unavailable', 'who asks is answered');

  disk?.release();
  await waitUntil('the node takes writes again', async () => (await waiting(node)) === 200);
  await sendAll(alice, during);
  await received(t, bob, [...ids('before', 3), ...during]);
  await Promise.all([alice, bob, eve].map((client) => client.end()));
});

t.test('more work than fits: what is taken is done, the rest is told when to come again, and nothing is lost or doubled', async (t) => {
  const node = await startNode(t, { runtime: { mailboxClientMax: 40, waitingMax: 200 }, limits: { requestsMax: 2_000 } });
  const senders = await Promise.all(ids('sender', 10).map((user) => welcomed(node, user)));
  const bob = await welcomed(node, 'bob');
  const all = senders.map((_, index) => ids(`s${index}-`, 250));
  // All at once: ten times what the mailboxes hold.
  for (const [index, client] of senders.entries()) client.say(...(all[index] as string[]).map((id) => send(id)));
  const given = (await Promise.all(senders.map((client, index) => answers(client, all[index] as string[])))).flatMap((map) => [
    ...map.values(),
  ]);
  const refused = given.filter(({ type }) => type === 'error');
  t.ok(refused.length > 0, 'some were refused');
  t.ok(given.length > refused.length, 'and some were taken');
  t.same([...new Set(refused.map(({ code }) => code))], ['overloaded']);
  t.ok(refused.every(({ retryAfterMs }) => (retryAfterMs as number) > 0));
  // The load is over: everything is taken, whatever was refused before.
  await Promise.all(senders.map((client, index) => sendAll(client, all[index] as string[])));
  await received(t, bob, all.flat());
  await Promise.all([bob, ...senders].map((client) => client.end()));
});

t.test('a post is answered though its user refuses frames at once (always-answered)', async (t) => {
  const node = await startNode(t, { runtime: { mailboxClientMax: 1 } });
  const answer = await fetch(`${node.url}/v1/frames?device=d`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.token('alice')}` },
    body: JSON.stringify(ids('p', 20).map((id) => send(id))),
  });
  const { frames } = (await answer.json()) as { frames: Frame[] };
  t.same(
    frames.map(({ clientId }) => clientId),
    ids('p', 20),
  );
  t.ok(frames.some(({ type }) => type === 'sent'));
  t.ok(frames.some(({ code }) => code === 'overloaded'));
});

t.test('a post that isn’t UTF-8 is refused, and nothing of it is changed and stored', async (t) => {
  const node = await startNode(t);
  const [before, after] = ['{"type":"send","conversation":"@bob","clientId":"u","body":{"text":"', '"}}'].map((text) => Buffer.from(text));
  const answer = await fetch(`${node.url}/v1/frames?device=d`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.token('alice')}` },
    body: Buffer.concat([before as Buffer, Buffer.of(0xff, 0xfe), after as Buffer]),
  });
  t.equal(answer.status, 400);
  t.match(await answer.json(), { type: 'error', code: 'bad-frame' });
});
