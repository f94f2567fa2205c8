import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pack, unpack } from 'msgpackr';
import { type WebSocket, WebSocketServer } from 'ws';

export type Frame = { readonly type: string; readonly [field: string]: unknown };

/** A server over real WebSockets that does only what a test tells it to. */
export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  /** Each connection once, in the order they came; waits for the next. */
  connection(): Promise<FakeConnection>;
  /** Connections so far. */
  readonly count: number;
}

export interface FakeConnection {
  readonly subprotocol: string;
  readonly path: string;
  /** The first frame of this type that wasn't taken yet; waits for one. */
  next(type: string): Promise<Frame>;
  /** All frames so far. */
  readonly received: readonly Frame[];
  say(...frames: readonly Frame[]): void;
  /** One message with all of them. */
  sayTogether(frames: readonly Frame[]): void;
  /** Bytes or text as they are. */
  sayRaw(message: string | Uint8Array): void;
  /** Takes `hello` and answers it; gives the `hello`. */
  welcome(fields?: { readonly cursor?: number; readonly limits?: object }): Promise<Frame>;
  close(code: number, reason?: string): void;
  /** Cuts the connection, as a crash would. */
  cut(): void;
  readonly closed: Promise<void>;
}

export async function startFakeServer(): Promise<FakeServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (offered) => [...offered][0] ?? false });
  await once(server, 'listening');
  const waiting: FakeConnection[] = [];
  const wanted: ((connection: FakeConnection) => void)[] = [];
  let count = 0;
  server.on('connection', (socket, request) => {
    count += 1;
    const connection = fakeConnection(socket, request.url ?? '');
    const want = wanted.shift();
    if (want === undefined) waiting.push(connection);
    else want(connection);
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/ws`,
    get count() {
      return count;
    },
    connection() {
      const connection = waiting.shift();
      return connection === undefined ? new Promise((resolve) => wanted.push(resolve)) : Promise.resolve(connection);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function fakeConnection(socket: WebSocket, path: string): FakeConnection {
  const binary = socket.protocol === 'parley.v1.msgpack';
  const received: Frame[] = [];
  const untaken: Frame[] = [];
  const wanted: { readonly type: string; readonly resolve: (frame: Frame) => void }[] = [];
  const closed = once(socket, 'close').then(() => {});
  socket.on('message', (message: Buffer) => {
    const frame = (binary ? unpack(message) : JSON.parse(message.toString())) as Frame;
    received.push(frame);
    const index = wanted.findIndex((want) => want.type === frame.type);
    if (index < 0) untaken.push(frame);
    else wanted.splice(index, 1)[0]?.resolve(frame);
  });

  const say = (message: Frame | readonly Frame[]): void => socket.send(binary ? pack(message) : JSON.stringify(message));
  const next = (type: string): Promise<Frame> => {
    const index = untaken.findIndex((frame) => frame.type === type);
    if (index >= 0) return Promise.resolve(untaken.splice(index, 1)[0] as Frame);
    return new Promise((resolve) => wanted.push({ type, resolve }));
  };
  return {
    subprotocol: socket.protocol,
    path,
    received,
    next,
    say: (...frames) => frames.forEach(say),
    sayTogether: say,
    sayRaw: (message) => socket.send(message),
    async welcome({ cursor, limits = {} } = {}) {
      const hello = await next('hello');
      const begin = cursor ?? (hello.cursor as number | undefined) ?? 0;
      say({ type: 'welcome', user: 'alice', device: hello.device, cursor: begin, at: 1, limits, node: 'fake' });
      return hello;
    },
    close: (code, reason) => socket.close(code, reason),
    cut: () => socket.terminate(),
    closed,
  };
}

/** An event of a conversation with bob, as alice reads it. */
export const event = (lsn: number, fields: object = {}): Frame => ({
  type: 'event',
  lsn,
  conversation: '@bob',
  seq: lsn,
  from: 'bob',
  at: 1,
  kind: 'message',
  clientId: `b${lsn}`,
  body: { text: `text ${lsn}` },
  ...fields,
});
