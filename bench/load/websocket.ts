import { connect, type Socket } from 'node:net';

/** Where a load finds what it loads. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly subprotocol: string | undefined;
  /** The loopback address to come from, where one address hasn't ports enough. */
  readonly source: string | undefined;
}

export interface Receiver {
  /** One whole message lies in `bytes` from `start` to `end`; only during the call. */
  message(bytes: Buffer, start: number, end: number): void;
  /** All messages that arrived together have been given: the moment to write answers in one go. */
  arrived(): void;
  /** The other end closed, or broke the protocol. */
  closed(reason: string): void;
}

/** A client's frames must be masked. One mask for all lets a frame be encoded once and sent ever after. */
export const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
export const TEXT = 1;
export const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const READ_BYTES = 512 * 1024;

/** What all sockets of this process read into, one after the other. */
const reads = Buffer.allocUnsafe(READ_BYTES);

/** When the bytes being handled arrived, in milliseconds of `performance`. */
export let arrivedAt = 0;

export function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const length = payload.length;
  const head = length < 126 ? 6 : length < 65536 ? 8 : 14;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = 0x80 | opcode;
  if (length < 126) frame[1] = 0x80 | length;
  else if (length < 65536) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(MASK, head - 4);
  for (let i = 0; i < length; i++) frame[head + i] = (payload[i] as number) ^ (MASK[i & 3] as number);
  return frame;
}

/** A WebSocket over a bare TCP socket: no streams of objects, no copies, one read buffer for all. */
export class WebSocketClient {
  readonly #socket: Socket;
  readonly #receiver: Receiver;
  #open: (() => void) | undefined;
  #failed: ((reason: Error) => void) | undefined;
  #rest: Buffer | undefined;
  #done = false;

  private constructor(target: Target, receiver: Receiver, open: () => void, failed: (reason: Error) => void) {
    this.#receiver = receiver;
    this.#open = open;
    this.#failed = failed;
    this.#socket = connect({
      host: target.host,
      port: target.port,
      ...(target.source === undefined ? {} : { localAddress: target.source }),
      noDelay: true,
      onread: {
        buffer: reads,
        callback: (length) => {
          this.#read(length);
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('closed'));
    const subprotocol = target.subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${target.subprotocol}\r\n`;
    this.#socket.write(
      `GET ${target.path} HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${subprotocol}\r\n`,
    );
  }

  static open(target: Target, receiver: Receiver): Promise<WebSocketClient> {
    return new Promise((resolve, reject) => {
      const client: WebSocketClient = new WebSocketClient(target, receiver, () => resolve(client), reject);
    });
  }

  /** `frame` must be masked; the socket keeps it until it is written. */
  write(frame: Buffer): void {
    if (!this.#done) this.#socket.write(frame);
  }

  close(): void {
    this.#done = true;
    this.#socket.destroy();
  }

  #end(reason: string): void {
    if (this.#done) return;
    this.close();
    if (this.#failed === undefined) this.#receiver.closed(reason);
    else this.#failed(new Error(reason));
  }

  #read(length: number): void {
    if (this.#done) return;
    arrivedAt = performance.now();
    let bytes = reads.subarray(0, length);
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = undefined;
    }
    let start = 0;
    if (this.#open !== undefined) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end >= 0) {
        const status = bytes.toString('latin1', 0, bytes.indexOf('\r\n'));
        if (!status.includes(' 101 ')) return this.#end(`the upgrade was answered by "${status}"`);
        const open = this.#open;
        this.#open = undefined;
        this.#failed = undefined;
        start = end + 4;
        open();
      }
    }
    if (this.#open === undefined) {
      start = this.#frames(bytes, start);
      this.#receiver.arrived();
    }
    if (start < bytes.length) this.#rest = Buffer.from(bytes.subarray(start));
  }

  /** Hands out whole frames; answers where the first incomplete one begins. */
  #frames(bytes: Buffer, from: number): number {
    let start = from;
    while (start + 2 <= bytes.length) {
      const opcode = (bytes[start] as number) & 15;
      let length = (bytes[start + 1] as number) & 127;
      let body = start + 2;
      if (length === 126) {
        if (start + 4 > bytes.length) break;
        length = bytes.readUInt16BE(start + 2);
        body = start + 4;
      } else if (length === 127) {
        if (start + 10 > bytes.length) break;
        length = Number(bytes.readBigUInt64BE(start + 2));
        body = start + 10;
      }
      const end = body + length;
      if (end > bytes.length) break;
      if (opcode === PING) this.write(maskedFrame(PONG, bytes.subarray(body, end)));
      else if (opcode === CLOSE) {
        const code = length < 2 ? 1005 : bytes.readUInt16BE(body);
        this.#end(`closed with ${code} ${bytes.toString('utf8', Math.min(body + 2, end), end)}`);
        return bytes.length;
      } else this.#receiver.message(bytes, body, end);
      start = end;
    }
    return start;
  }
}
