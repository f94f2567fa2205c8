import { Outbox } from './outbox.ts';
import { MESSAGE_TEXT, NUMBER_MARK, numberIn, TEXT_BYTES, type Template, templateOf } from './template.ts';
import { maskedFrame, type Target, TEXT, WebSocketClient } from './websocket.ts';
import type { Listener, User, Wire } from './wire.ts';

const PONG = maskedFrame(TEXT, Buffer.from('3'));
const ZERO = 48;
const ENGINE_OPEN = ZERO;
const ENGINE_PING = ZERO + 2;
const ENGINE_MESSAGE = ZERO + 4;
const CONNECTED = ZERO;
const EVENT = ZERO + 2;
const ACK = ZERO + 3;
const DIGIT_NINE = ZERO + 9;
/** What follows the text of an `event`: the ends of string, body, message and packet. */
const AFTER_TEXT = '"}}]'.length;

/** Socket.IO 4 over a WebSocket from the start, written by hand so that the yardstick's client is as cheap as ours. */
export const socketIoWire: Wire = {
  path: '/socket.io/?EIO=4&transport=websocket',
  subprotocol: undefined,
  template: (conversation) =>
    templateOf(TEXT, Buffer.from(`42${NUMBER_MARK}${JSON.stringify(['send', conversation, { text: MESSAGE_TEXT }])}`)),
  async connect(target, name, listener) {
    const user = new SocketIoUser(listener);
    await user.open(target, name);
    return user;
  },
  async group(conversation, members, _run, users) {
    const joined = members.map((name) => {
      const user = users.get(name) as SocketIoUser;
      return user.join(conversation);
    });
    await Promise.all(joined);
  },
};

/** The acknowledgement of `join`; no message has this number. */
const JOIN_NUMBER = 99_999_999;

class SocketIoUser implements User {
  readonly #listener: Listener;
  readonly #outbox = new Outbox();
  #connected: (() => void) | undefined;
  #joined: (() => void) | undefined;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  async open(target: Target, name: string): Promise<void> {
    const connected = new Promise<void>((resolve) => {
      this.#connected = resolve;
    });
    this.#outbox.socket = await WebSocketClient.open(target, {
      message: (bytes, start, end) => this.#packet(bytes, start, end),
      arrived: () => this.#outbox.flush(),
      closed: (reason) => this.#listener.failed(reason),
    });
    this.#outbox.socket.write(maskedFrame(TEXT, Buffer.from(`40${JSON.stringify({ user: name })}`)));
    await connected;
  }

  join(group: string): Promise<void> {
    return new Promise((resolve) => {
      this.#joined = resolve;
      this.write(maskedFrame(TEXT, Buffer.from(`42${JOIN_NUMBER}${JSON.stringify(['join', group])}`)));
    });
  }

  write(frame: Buffer): void {
    this.#outbox.socket?.write(frame);
  }

  send(template: Template, number: number): void {
    this.#outbox.push(template, number);
  }

  flush(): void {
    this.#outbox.flush();
  }

  close(): void {
    this.#outbox.socket?.close();
  }

  #packet(bytes: Buffer, start: number, end: number): void {
    const engine = bytes[start];
    if (engine === ENGINE_MESSAGE) this.#message(bytes, start + 1, end);
    else if (engine === ENGINE_PING) this.#outbox.socket?.write(PONG);
    else if (engine !== ENGINE_OPEN) this.#listener.failed(`an unexpected packet: ${bytes.toString('utf8', start, end)}`);
  }

  #message(bytes: Buffer, start: number, end: number): void {
    switch (bytes[start]) {
      case ACK: {
        const number = leadingNumber(bytes, start + 1);
        if (number === JOIN_NUMBER) this.#joined?.();
        else this.#listener.sent(number);
        break;
      }
      case EVENT:
        this.#listener.event(numberIn(bytes, end - AFTER_TEXT - TEXT_BYTES));
        break;
      case CONNECTED:
        this.#connected?.();
        break;
      default:
        this.#listener.failed(`an unexpected message: ${bytes.toString('utf8', start, end)}`);
    }
  }
}

function leadingNumber(bytes: Buffer, start: number): number {
  let number = 0;
  for (let at = start; ; at++) {
    const byte = bytes[at] as number;
    if (!(byte >= ZERO && byte <= DIGIT_NINE)) return number;
    number = number * 10 + byte - ZERO;
  }
}
