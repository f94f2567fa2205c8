import uWS from 'uWebSockets.js';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { type Keep, keepInPostgres } from './keep-in-postgres.ts';
import { ready } from './ready.ts';

/**
 * What most teams would build: Socket.IO that relays to whoever is connected and acknowledges to the
 * sender. From memory (`relay`), or after a row per message is in PostgreSQL: one INSERT each
 * (`insert`), or one for all messages that came in a turn of the event loop (`multi-row`). `relay-uws` is
 * the relay on uWebSockets.js in place of `ws`.
 */
interface Body {
  readonly text: string;
}

const mode = process.argv[2] ?? 'relay';
const store: Keep | undefined = mode.startsWith('relay')
  ? undefined
  : await keepInPostgres(JSON.parse(process.argv[3] ?? '{}'), mode === 'multi-row');

const server = new Server({ transports: ['websocket'], serveClient: false, perMessageDeflate: false });
const connected = new Map<string, Socket>();

server.on('connection', (socket) => {
  const { user } = socket.handshake.auth as { user: string };
  connected.set(user, socket);
  socket.on('disconnect', () => connected.delete(user));
  socket.on('join', (group: string, answer: () => void) => {
    socket.join(group);
    answer();
  });
  socket.on('send', (conversation: string, body: Body, answer: (sent: { at: number }) => void) => {
    const at = Date.now();
    const relay = (): void => {
      const event = { conversation, from: user, at, body };
      if (conversation.startsWith('#')) socket.to(conversation).emit('event', event);
      else connected.get(conversation.slice(1))?.emit('event', event);
      answer({ at });
    };
    if (store === undefined) relay();
    else store(conversation, user, at, body).then(relay);
  });
});

if (mode === 'relay-uws') {
  const app = uWS.App();
  server.attachApp(app);
  app.listen('127.0.0.1', 0, (listening) => ready(uWS.us_socket_local_port(listening || {})));
} else {
  const http = createServer();
  server.attach(http);
  http.listen(0, '127.0.0.1', () => ready((http.address() as AddressInfo).port));
}
