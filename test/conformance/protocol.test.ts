import t, { type Test } from 'tap';
import { startNode, type TestNode } from '../support/node.ts';
import { connect, welcomed } from '../support/raw-client.ts';
import { waitUntil } from '../support/wait-until.ts';
import type { Cases, Scene } from './cases.ts';
import { type Device, open, type Way, ways } from './device.ts';
import { groups } from './groups.ts';
import { messages } from './messages.ts';

/** PROTOCOL.md, clause by clause, over each way to speak it, with a whole node behind. */
const suites: Readonly<Record<string, Cases>> = { messages, groups };
/** The clients share a process with the node, so its being late says nothing. */
const late = { runtime: { lagMaxMs: 60_000 } };

let scenes = 0;

function sceneOf(t: Test, node: TestNode, way: Way): { readonly scene: Scene; readonly devices: Device[] } {
  const number = ++scenes;
  const devices: Device[] = [];
  const name = (user: string): string => `${user}.${number}`;
  const scene: Scene = {
    t,
    name,
    at: (user) => `@${name(user)}`,
    open: async (user, options) => {
      const device = await open(node, way, name(user), options);
      devices.push(device);
      return device;
    },
  };
  return { scene, devices };
}

for (const way of ways) {
  t.test(way, async (t) => {
    const node = await startNode(t, late);
    for (const [suite, cases] of Object.entries(suites)) {
      for (const [clause, run] of Object.entries(cases)) {
        await t.test(`${way}: ${suite}: ${clause}`, async (t) => {
          const { scene, devices } = sceneOf(t, node, way);
          try {
            await run(scene);
            for (const device of devices) t.ok(isGapFree(device), `gap-free: ${device.user}`);
          } finally {
            await Promise.all(devices.map((device) => device.end()));
          }
        });
      }
    }
  });
}

/** The frames that carry lsns move the cursor on by one each (PROTOCOL 4.3.3). */
function isGapFree({ welcome, received }: Device): boolean {
  let cursor: unknown = welcome['cursor'];
  for (const frame of received) {
    if (frame.type === 'reset') cursor = frame['cursor'];
    const { lsn } = frame as { readonly lsn?: number };
    if (lsn === undefined || lsn <= (cursor as number) || 'duplicate' in frame) continue;
    if (frame.type === 'event' && lsn !== (cursor as number) + 1) return false;
    if (lsn === (cursor as number) + 1) cursor = lsn;
  }
  return true;
}

t.test('4.2 welcome tells the limits and where one is', async (t) => {
  const node = await startNode(t, { ...late, rates: { on: true } });
  const client = await connect(node.wsUrl);
  client.say({ type: 'hello', token: node.token('alice'), device: 'd', cursor: 0 });
  const { config } = node;
  t.match(await client.next('welcome'), {
    user: 'alice',
    device: 'd',
    cursor: 0,
    at: Number,
    node: config.node,
    limits: {
      frameBytesMax: 65_536,
      bodyBytesMax: 16_384,
      bodyDepthMax: 64,
      pageEntriesMax: 200,
      devicesMax: 16,
      rates: { sendsPerUser: { perSecond: Number, burst: Number } },
    },
  });
});

t.test('4.8 devices: one more than there may be, and one that connects again', async (t) => {
  const node = await startNode(t, { ...late, limits: { devicesMax: 3 } });
  const devices = await Promise.all(['a', 'b', 'c'].map((device) => welcomed(node, 'alice', { device })));
  const one = await connect(node.wsUrl);
  one.say({ type: 'hello', token: node.token('alice'), device: 'd' });
  t.match(await one.next('error'), { code: 'limit' });
  t.match(await one.closed, { code: 4505 });
  const polled = await fetch(`${node.url}/v1/poll?device=d`, { headers: { Authorization: `Bearer ${node.token('alice')}` } });
  t.equal(polled.status, 403);
  t.match(await polled.json(), { type: 'error', code: 'limit' });
  const again = await welcomed(node, 'alice', { device: 'a' });
  t.match(await devices[0]?.closed, { code: 4501 });
  await devices[1]?.end();
  await waitUntil('there is room for another', async () => {
    const another = await connect(node.wsUrl);
    another.say({ type: 'hello', token: node.token('alice'), device: 'd' });
    return (await another.next(({ type }) => type === 'welcome' || type === 'error')).type === 'welcome';
  });
  await again.end();
});

t.test('4.7 a node that stops says goaway, closes with 4000, and keeps what it acknowledged', async (t) => {
  const node = await startNode(t, late);
  const alice = await welcomed(node, 'alice');
  alice.say({ type: 'send', conversation: '@bob', clientId: 'a1', body: {} });
  await alice.next('sent');
  const stopped = node.stop();
  t.match(await alice.next('goaway'), { reason: String, afterMs: Number });
  t.match(await alice.closed, { code: 4000 });
  await stopped;
  const again = await startNode(t, { ...late, data: node.data });
  const back = await welcomed(again, 'alice', { cursor: 0 });
  t.match(await back.next('event'), { lsn: 1, clientId: 'a1' });
  back.say({ type: 'send', conversation: '@bob', clientId: 'a1', body: {} });
  t.match(await back.next('sent'), { lsn: 1, duplicate: true });
});

t.test('one user on all ways at once reads the same events with the same numbers', async (t) => {
  const node = await startNode(t, late);
  const devices = await Promise.all(ways.map((way) => open(node, way, 'alice', { device: way, cursor: 0 })));
  const bob = await open(node, 'msgpack', 'bob');
  for (const device of devices)
    await device.ask({
      type: 'send',
      conversation: '@bob',
      clientId: `from-${device.user}-${devices.indexOf(device)}`,
      body: { text: 'x' },
    });
  await bob.ask({ type: 'send', conversation: '@alice', clientId: 'b1', body: { text: 'last' } });
  for (const device of devices) t.match(await device.next((frame) => frame['lsn'] === 4), { type: 'event', clientId: 'b1', seq: 4 });
  for (const device of devices) t.ok(isGapFree(device));
  await Promise.all([bob, ...devices].map((device) => device.end()));
});
