import uWS, { type HttpRequest, type HttpResponse, type us_socket_context_t, type WebSocket } from 'uWebSockets.js';
import { Failure } from '../failure.ts';
import type { Codec } from './codec.ts';
import { addressOf, Exchange } from './http.ts';
import { json } from './json.ts';
import { msgpack } from './msgpack.ts';
import { lingerMs } from './outbox.ts';
import { Session } from './session.ts';
import type { Surroundings } from './surroundings.ts';

const CODECS: readonly Codec[] = [json, msgpack];

interface Attached {
  readonly session: Session;
}

/** `GET /v1/ws` (PROTOCOL 2.1). `closed`: why no more connections are taken. */
export function serveWebSocket(app: uWS.TemplatedApp, around: Surroundings, closed: () => Failure | undefined): void {
  const { settings } = around;
  app.ws<Attached>('/v1/ws', {
    // What is longer is cut off without a word, because uWebSockets has no say in that; what is shorter gets its close code.
    maxPayloadLength: settings.readBytesMax,
    // Silence, pings and slow readers are the session's business. This is for sockets that were ended and don't go.
    idleTimeout: Math.floor(lingerMs(settings) / 1000),
    sendPingsAutomatically: false,
    maxBackpressure: 0,
    compression: uWS.DISABLED,
    upgrade: (response, request, context) => upgrade(around, closed, response, request, context),
    open: (socket) => sessionOf(socket).opened(socket),
    message: (socket, message, binary) => sessionOf(socket).received(message, binary),
    ping: (socket) => sessionOf(socket).heard(),
    pong: (socket) => sessionOf(socket).heard(),
    drain: (socket) => sessionOf(socket).drained(),
    close: (socket) => sessionOf(socket).gone(),
  });
}

const sessionOf = (socket: WebSocket<Attached>): Session => socket.getUserData().session;

function upgrade(
  around: Surroundings,
  closed: () => Failure | undefined,
  response: HttpResponse,
  request: HttpRequest,
  context: us_socket_context_t,
): void {
  const { settings, clock, rates, peers, measures } = around;
  try {
    const refusal = closed();
    if (refusal !== undefined) throw refusal;
    const codec = codecFor(request.getHeader('sec-websocket-protocol'));
    const address = addressOf(response, request, settings.addressHeader);
    rates.take('connectsPerAddress', address, clock.monotonic());
    const peer = peers.open(address);
    const later = { retryAfterMs: settings.overloadedRetryMs };
    if (peer === 'full') throw new Failure('overloaded', 'this node has as many connections as it can', later);
    if (peer === 'many') throw new Failure('rate-limited', 'too many connections from this address', later);
    const session = new Session(around, codec.codec, peer);
    response.upgrade<Attached>(
      { session },
      request.getHeader('sec-websocket-key'),
      codec.offered,
      request.getHeader('sec-websocket-extensions'),
      context,
    );
  } catch (thrown) {
    const failure = Failure.from(thrown);
    measures.error(failure.code);
    new Exchange(response).fail(failure);
  }
}

/** The first subprotocol that is known here; JSON where none is asked for. */
function codecFor(header: string): { readonly codec: Codec; readonly offered: string } {
  if (header === '') return { codec: json, offered: '' };
  for (const offered of header.split(',')) {
    const codec = CODECS.find(({ subprotocol }) => subprotocol === offered.trim());
    if (codec !== undefined) return { codec, offered: codec.subprotocol };
  }
  throw new Failure('bad-field', `the subprotocol must be one of ${CODECS.map(({ subprotocol }) => subprotocol).join(', ')}, or none`);
}
