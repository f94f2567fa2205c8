import { Outbox } from './outbox.ts';
import { MESSAGE_TEXT, numberIn, templateOf } from './template.ts';
import { BINARY, WebSocketClient } from './websocket.ts';
import type { Wire } from './wire.ts';

/** A message is its text; what comes back is the answer and, there being nobody else, the event. */
export const echoWire: Wire = {
  echoes: true,
  path: '/',
  subprotocol: undefined,
  template: () => templateOf(BINARY, Buffer.from(MESSAGE_TEXT)),
  async connect(target, _name, listener) {
    const outbox = new Outbox();
    outbox.socket = await WebSocketClient.open(target, {
      message(bytes, start) {
        const number = numberIn(bytes, start);
        listener.event(number);
        listener.sent(number);
      },
      arrived: () => outbox.flush(),
      closed: (reason) => listener.failed(reason),
    });
    return {
      send: (template, number) => outbox.push(template, number),
      flush: () => outbox.flush(),
      write: (frame) => outbox.socket?.write(frame),
      close: () => outbox.socket?.close(),
    };
  },
  group: () => Promise.reject(new Error('an echo has no groups')),
};
