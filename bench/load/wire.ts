import type { Template } from './template.ts';
import type { Target } from './websocket.ts';

/** What one user of the load hears. */
export interface Listener {
  /** The server answered for message `number` of this user. */
  sent(number: number): void;
  /** Somebody else's message `number` arrived. */
  event(number: number): void;
  /** A page, a conversation list, or another answer with this many items. */
  answered?(items: number): void;
  /** Message `number` was refused for now; where this isn't heard, that is a failure. */
  refused?(number: number): void;
  failed(reason: string): void;
}

/** One connected user. What `send` queues goes out together, at the latest when what arrived was handled. */
export interface User {
  send(template: Template, number: number): void;
  flush(): void;
  /** Writes an encoded, masked frame as it is. */
  write(frame: Buffer): void;
  close(): void;
}

/** How the messages of one kind of server look on a socket. */
export interface Wire {
  readonly path: string;
  readonly subprotocol: string | undefined;
  /** A message to `conversation` (`@bob`, `#team`), for `send`. `run` keeps apart what must never repeat. */
  template(conversation: string, run: string): Template;
  connect(target: Target, name: string, listener: Listener): Promise<User>;
  /** Makes a group of these connected users; resolves when they can send to it. */
  group(conversation: string, members: readonly string[], run: string, users: ReadonlyMap<string, User>): Promise<void>;
  /** The receiver of a message is its sender. */
  readonly echoes?: true;
}
