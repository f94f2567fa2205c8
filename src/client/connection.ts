import type { Codec } from './codec.ts';
import { deferred } from './deferred.ts';
import type { ClientFrame, ServerFrame } from './frames.ts';
import type { Socket, SocketConstructor } from './socket.ts';

/** One socket, from opening to close. */
export interface Connection {
  /** `too-large`: over the server's `frameBytesMax`, and not sent. */
  write(frame: ClientFrame): 'written' | 'too-large' | 'closed';
  /** Ends it; `closed` resolves at once, without waiting for the other side. */
  close(why: string): void;
  readonly closed: Promise<Closed>;
}

export interface Closed {
  /** The server's close code; 1006 where the connection broke or this side gave it up. */
  readonly code: number;
  readonly reason: string;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly WebSocket: SocketConstructor;
  readonly codec: Codec;
  readonly hello: ClientFrame;
  /** From opening the socket to the first frame. */
  readonly openTimeoutMs: number;
  /** After so long without a frame a ping is sent; after as long again the connection counts as broken. */
  readonly quietMs: number;
  readonly frame: (frame: ServerFrame) => void;
  readonly trace: ((direction: 'in' | 'out', frame: ClientFrame | ServerFrame) => void) | undefined;
}

export function openConnection(options: ConnectionOptions): Connection {
  const { codec, trace } = options;
  const socket: Socket = new options.WebSocket(options.url, [codec.subprotocol]);
  socket.binaryType = 'arraybuffer';
  let frameBytesMax = Number.POSITIVE_INFINITY;
  let open = false;
  let over = false;
  let heard = false;
  let pinged = false;
  let timer: ReturnType<typeof setTimeout> | undefined = setTimeout(() => close('no welcome in time'), options.openTimeoutMs);
  const closed = deferred<Closed>();

  function end(code: number, reason: string): void {
    if (over) return;
    over = true;
    clearTimeout(timer);
    closed.resolve({ code, reason });
  }

  function close(why: string): void {
    end(1006, why);
    socket.close();
  }

  function write(frame: ClientFrame): 'written' | 'too-large' | 'closed' {
    if (!open || over) return 'closed';
    const message = codec.encode(frame);
    if (longerThan(frameBytesMax, message)) return 'too-large';
    trace?.('out', frame);
    socket.send(message);
    return 'written';
  }

  function watchQuiet(): void {
    timer = setTimeout(() => {
      if (!heard && pinged) return close(`nothing came for ${2 * options.quietMs} ms`);
      pinged = !heard;
      heard = false;
      if (pinged) write({ type: 'ping' });
      watchQuiet();
    }, options.quietMs);
  }

  function receive(message: string | ArrayBuffer): void {
    heard = true;
    let frames: readonly ServerFrame[];
    try {
      frames = codec.decode(message);
    } catch (thrown) {
      return close(`a message that isn't made of frames: ${String(thrown)}`);
    }
    for (const frame of frames) {
      if (over) return;
      trace?.('in', frame);
      if (frame.type === 'welcome') {
        clearTimeout(timer);
        watchQuiet();
        if (typeof frame.limits.frameBytesMax === 'number') frameBytesMax = frame.limits.frameBytesMax;
      }
      options.frame(frame);
    }
  }

  socket.onopen = () => {
    open = true;
    write(options.hello);
  };
  socket.onmessage = (event: { readonly data: string | ArrayBuffer }) => {
    if (!over) receive(event.data);
  };
  socket.onclose = (event: { readonly code: number; readonly reason: string }) => end(event.code, event.reason);
  // A close event follows every error event, and says no less.
  socket.onerror = () => {};
  return { write, close, closed: closed.promise };
}

/** A character is at most three bytes of UTF-8, so most strings needn't be measured. */
function longerThan(bytesMax: number, message: string | Uint8Array): boolean {
  if (typeof message !== 'string') return message.length > bytesMax;
  return message.length * 3 > bytesMax && new TextEncoder().encode(message).length > bytesMax;
}
