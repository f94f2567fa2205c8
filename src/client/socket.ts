/** What a client needs of a WebSocket. The global one has it, and so has that of the package `ws`. */
export interface Socket {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type SocketConstructor = new (url: string, subprotocols: string[]) => Socket;

export function globalSocket(): SocketConstructor {
  const found = (globalThis as { WebSocket?: unknown }).WebSocket;
  if (found === undefined)
    throw new Error('there is no global WebSocket here (Node has one from 22 on): pass `WebSocket` from the package ws');
  return found as SocketConstructor;
}
