import { connect, type Encoding, type Frame, Inbox, type RawClient } from '../support/raw-client.ts';

/** The ways to speak the protocol: whatever one of them does, the others do. */
export type Way = Encoding | 'poll';
export const ways: readonly Way[] = ['json', 'msgpack', 'poll'];

export interface Node {
  readonly url: string;
  readonly wsUrl: string;
  token(user: string, ttlSeconds?: number): string;
}

/** One device of a user, connected in one of the ways. */
export interface Device {
  readonly user: string;
  readonly welcome: Frame;
  say(...frames: readonly object[]): void;
  /** Says a frame that has an `id` or a `clientId`, and gives its answer, which may be an error. */
  ask(frame: Frame): Promise<Frame>;
  next(which: string | ((frame: Frame) => boolean)): Promise<Frame>;
  readonly received: readonly Frame[];
  end(): Promise<void>;
}

/** Whether `answer` is the one to `frame`. */
const answers = (frame: Frame, answer: Frame): boolean => {
  if (['event', 'presence', 'receipt', 'typing'].includes(answer.type)) return false;
  if (frame['id'] !== undefined) return answer['id'] === frame['id'];
  return answer['clientId'] === frame['clientId'];
};

const asking = (device: Omit<Device, 'ask'>): Device => ({
  ...device,
  ask(frame) {
    device.say(frame);
    return device.next((answer) => answers(frame, answer));
  },
});

export async function open(
  node: Node,
  way: Way,
  user: string,
  options: { readonly device?: string; readonly cursor?: number } = {},
): Promise<Device> {
  const { device = 'phone', cursor } = options;
  return way === 'poll' ? polling(node, user, device, cursor) : onSocket(node, way, user, device, cursor);
}

async function onSocket(node: Node, encoding: Encoding, user: string, device: string, cursor: number | undefined): Promise<Device> {
  const client: RawClient = await connect(node.wsUrl, encoding);
  client.say({ type: 'hello', token: node.token(user), device, ...(cursor === undefined ? {} : { cursor }) });
  const welcome = await client.next('welcome');
  return asking({ user, welcome, say: client.say, next: client.next, received: client.received, end: client.end });
}

/** A device that polls again and again, and posts what it says. */
async function polling(node: Node, user: string, device: string, from: number | undefined): Promise<Device> {
  const inbox = new Inbox();
  const stopped = new AbortController();
  const headers = { Authorization: `Bearer ${node.token(user)}` };
  let cursor = from;
  let posted: Promise<unknown> = Promise.resolve();
  const take = (frames: readonly Frame[]): void => {
    for (const frame of frames) {
      const { lsn } = frame as { readonly lsn?: number };
      if (frame.type === 'welcome' || frame.type === 'reset') cursor = frame['cursor'] as number;
      else if (frame.type === 'event' && lsn !== undefined) cursor = lsn;
      inbox.add(frame);
    }
  };
  const poll = async (wait: number): Promise<void> => {
    const query = `device=${device}&wait=${wait}${cursor === undefined ? '' : `&cursor=${cursor}`}`;
    const response = await fetch(`${node.url}/v1/poll?${query}`, { headers, signal: stopped.signal });
    const { frames } = (await response.json()) as { frames?: Frame[] };
    if (frames === undefined) throw new Error(`the poll was answered ${response.status}`);
    take(frames);
  };
  const post = async (frames: readonly object[]): Promise<void> => {
    const body = JSON.stringify(frames.length === 1 ? frames[0] : frames);
    const response = await fetch(`${node.url}/v1/frames?device=${device}`, { method: 'POST', headers, body });
    for (const frame of ((await response.json()) as { frames: Frame[] }).frames) inbox.add(frame);
  };
  await poll(0);
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await poll(20).catch((thrown: unknown) => {
        if (!stopped.signal.aborted) throw thrown;
      });
    }
  })();
  return asking({
    user,
    // One that polls with a cursor isn't told `welcome`.
    welcome: inbox.received.find(({ type }) => type === 'welcome') ?? { type: 'welcome', user, device, cursor: from },
    say: (...frames) => {
      posted = posted.then(() => post(frames));
    },
    next: (which) => inbox.next(which),
    received: inbox.received,
    end: async () => {
      await posted;
      stopped.abort();
      await loop;
    },
  });
}
