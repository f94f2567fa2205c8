import { once } from 'node:events';
import { Packr, Unpackr } from 'msgpackr';
import { type RawData, WebSocket } from 'ws';

export type Frame = { readonly type: string; readonly [field: string]: unknown };
export type Encoding = 'json' | 'msgpack';

/** A client that does nothing by itself: it sends what a test says and keeps what comes. */
export interface RawClient {
  /** One message: a frame, or an array of them where there are several. */
  say(...frames: readonly object[]): void;
  sayRaw(message: string | Uint8Array): void;
  /** The first frame not taken yet that has this type or passes this test; waits for it. */
  next(which: string | ((frame: Frame) => boolean)): Promise<Frame>;
  /** Everything that came, in order. */
  readonly received: readonly Frame[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly subprotocol: string;
  /** Stops and starts reading from the socket. */
  pause(): void;
  resume(): void;
  end(): Promise<void>;
}

const WITHIN_MS = 10_000;
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export const encode = (encoding: Encoding, value: unknown): string | Uint8Array =>
  encoding === 'json' ? JSON.stringify(value) : packr.pack(value);

export const decode = (message: Buffer, binary: boolean): unknown => (binary ? unpackr.unpack(message) : JSON.parse(message.toString()));

/** Frames that wait to be taken by a test. */
export class Inbox {
  readonly received: Frame[] = [];
  private readonly waiting: Frame[] = [];
  private readonly takers: { readonly fits: (frame: Frame) => boolean; readonly take: (frame: Frame) => void }[] = [];

  add(frame: Frame): void {
    this.received.push(frame);
    const at = this.takers.findIndex(({ fits }) => fits(frame));
    if (at < 0) this.waiting.push(frame);
    else this.takers.splice(at, 1)[0]?.take(frame);
  }

  next(which: string | ((frame: Frame) => boolean)): Promise<Frame> {
    const fits = typeof which === 'string' ? (frame: Frame) => frame.type === which : which;
    const at = this.waiting.findIndex(fits);
    if (at >= 0) return Promise.resolve(this.waiting.splice(at, 1)[0] as Frame);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const got = JSON.stringify(this.received.slice(-10)).slice(0, 2000);
        reject(new Error(`no frame came that is ${which}; the last were ${got}`));
      }, WITHIN_MS);
      const take = (frame: Frame): void => {
        clearTimeout(timer);
        resolve(frame);
      };
      this.takers.push({ fits, take });
    });
  }
}

export async function connect(wsUrl: string, encoding: Encoding = 'json', subprotocols = [`parley.v1.${encoding}`]): Promise<RawClient> {
  const socket = new WebSocket(wsUrl, subprotocols, { perMessageDeflate: false });
  const inbox = new Inbox();
  socket.on('message', (message: RawData, binary) => {
    const value = decode(message as Buffer, binary);
    for (const frame of Array.isArray(value) ? (value as Frame[]) : [value as Frame]) inbox.add(frame);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, 'open');
  socket.on('error', () => {}); // a cut connection is seen by `closed`
  return {
    say: (...frames) => socket.send(encode(encoding, frames.length === 1 ? frames[0] : frames)),
    sayRaw: (message) => socket.send(message),
    next: (which) => inbox.next(which),
    received: inbox.received,
    closed,
    subprotocol: socket.protocol,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: async () => {
      socket.close();
      await closed;
    },
  };
}

/** A client whose `hello` is answered already. */
export async function welcomed(
  node: { readonly wsUrl: string; token(user: string): string },
  user: string,
  options: { readonly device?: string; readonly cursor?: number; readonly encoding?: Encoding } = {},
): Promise<RawClient> {
  const { device = 'phone', cursor, encoding = 'json' } = options;
  const client = await connect(node.wsUrl, encoding);
  client.say({ type: 'hello', token: node.token(user), device, ...(cursor === undefined ? {} : { cursor }) });
  await client.next('welcome');
  return client;
}
