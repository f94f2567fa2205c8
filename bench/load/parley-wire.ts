import { createHmac } from 'node:crypto';
import { Packr, unpack } from 'msgpackr';
import { Outbox } from './outbox.ts';
import { arrayItems, FrameScan, headEnd } from './scan.ts';
import { MESSAGE_TEXT, NUMBER_MARK, type Template, templateOf } from './template.ts';
import { BINARY, maskedFrame, type Target, WebSocketClient } from './websocket.ts';
import type { Listener, User, Wire } from './wire.ts';

/** PROTOCOL.md: a client acknowledges at least every 64 events or second. */
const ACK_EVERY_EVENTS = 64;
const ACK_EVERY_MS = 1_000;

const packr = new Packr({ useRecords: false, variableMapSize: true });
const scan = new FrameScan();

export const frameOf = (frame: unknown): Buffer => maskedFrame(BINARY, packr.pack(frame));

/** An HS256 token of one day. */
export function tokenFor(user: string, secret: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 86_400 })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** PROTOCOL.md over msgpack, as a device that keeps its cursor and acknowledges. */
export function parleyWire(secret: string): Wire {
  return {
    path: '/v1/ws',
    subprotocol: 'parley.v1.msgpack',
    template: (conversation, run) =>
      templateOf(BINARY, packr.pack({ type: 'send', conversation, clientId: `${run}-${NUMBER_MARK}`, body: { text: MESSAGE_TEXT } })),
    async connect(target, name, listener) {
      const user = new ParleyUser(name, listener);
      await user.open(target);
      await user.hello(frameOf({ type: 'hello', token: tokenFor(name, secret), device: 'bench' }));
      return user;
    },
    async group(conversation, members, run, users) {
      const owner = users.get(members[0] as string) as ParleyUser;
      await owner.createGroup(conversation, members.slice(1), `${run}-group`);
    },
  };
}

export class ParleyUser implements User {
  readonly name: string;
  cursor = 0;
  readonly #listener: Listener;
  readonly #outbox = new Outbox();
  #acked = 0;
  readonly #phase = opened++ % PHASES;
  #welcomed: (() => void) | undefined;
  #refused: ((error: Error) => void) | undefined;
  #grouped: (() => void) | undefined;

  constructor(name: string, listener: Listener) {
    this.name = name;
    this.#listener = listener;
  }

  async open(target: Target): Promise<void> {
    this.#outbox.socket = await WebSocketClient.open(target, {
      message: (bytes, start, end) => this.#message(bytes, start, end),
      arrived: () => {
        if (this.cursor - this.#acked >= ACK_EVERY_EVENTS) this.acknowledge();
        this.#outbox.flush();
      },
      closed: (reason) => this.#fail(reason),
    });
    acknowledging[this.#phase]?.add(this);
  }

  /** Resolves with `welcome`. */
  hello(frame: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#welcomed = resolve;
      this.#refused = reject;
      this.write(frame);
    });
  }

  /** Makes a group, or finds that it is there; resolves when the server has answered. */
  createGroup(conversation: string, members: readonly string[], clientId: string): Promise<void> {
    return new Promise((resolve) => {
      this.#grouped = resolve;
      this.write(frameOf({ type: 'group.create', clientId, group: conversation.slice(1), title: 'bench', members }));
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

  acknowledge(): void {
    if (this.cursor === this.#acked) return;
    this.#acked = this.cursor;
    this.write(frameOf({ type: 'ack', cursor: this.cursor }));
  }

  close(): void {
    acknowledging[this.#phase]?.delete(this);
    this.#outbox.socket?.close();
  }

  #message(bytes: Buffer, start: number, end: number): void {
    let frames = arrayItems(bytes, start);
    let offset = frames < 0 ? start : headEnd(bytes, start);
    if (frames < 0) frames = 1;
    for (; frames > 0; frames--) {
      const next = scan.frame(bytes, offset);
      this.#frame(bytes, offset, next);
      offset = next;
    }
    if (offset !== end) this.#fail('a message ended within a frame');
  }

  #frame(bytes: Buffer, at: number, end: number): void {
    switch (scan.type) {
      case 'sent':
        if (scan.lsn > this.cursor) this.#move(scan.lsn);
        if (scan.sentNumber >= 0) this.#listener.sent(scan.sentNumber);
        else this.#endGrouping();
        break;
      case 'event':
        this.#move(scan.lsn);
        if (scan.eventNumber >= 0) this.#listener.event(scan.eventNumber);
        break;
      case 'page':
      case 'conversations':
        this.#listener.answered?.(scan.items);
        break;
      case 'welcome':
        this.cursor = scan.cursor;
        this.#acked = scan.cursor;
        this.#refused = undefined;
        this.#welcomed?.();
        break;
      case 'error':
      case 'reset':
        if (this.#endGrouping()) break;
        if (scan.sentNumber >= 0 && scan.refused && this.#listener.refused !== undefined) {
          this.#listener.refused(scan.sentNumber);
          break;
        }
        this.#fail(JSON.stringify(unpack(bytes.subarray(at, end))));
        break;
    }
  }

  #endGrouping(): boolean {
    const resolve = this.#grouped;
    this.#grouped = undefined;
    resolve?.();
    return resolve !== undefined;
  }

  /** The inbox has no gaps, on any device: a load that loses events measures nothing. */
  #move(lsn: number): void {
    if (lsn !== this.cursor + 1) this.#fail(`${this.name} got event ${lsn} after ${this.cursor}`);
    this.cursor = lsn;
  }

  #fail(reason: string): void {
    if (this.#refused !== undefined) this.#refused(new Error(`${this.name}: ${reason}`));
    else this.#listener.failed(`${this.name}: ${reason}`);
  }
}

/** Devices that run by themselves have no common second: each acknowledges in one of so many parts of it. */
const PHASES = 20;
const acknowledging = Array.from({ length: PHASES }, () => new Set<ParleyUser>());
let opened = 0;
let phase = 0;
setInterval(() => {
  phase = (phase + 1) % PHASES;
  for (const user of acknowledging[phase] ?? []) user.acknowledge();
}, ACK_EVERY_MS / PHASES).unref();
