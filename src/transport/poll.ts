import type { EventsFrame, ServerFrame } from '../actors/messages.ts';
import type { Timer } from '../clock.ts';
import type { SessionAddress } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import type { DeviceId, UserId } from '../ids.ts';
import type { Requester } from './admission.ts';
import type { SomeEvents, WireFrame } from './codec.ts';
import type { Receiver } from './registry.ts';
import { Requests } from './requests.ts';
import type { GatewaySettings } from './settings.ts';
import { type Sent, Stream, type StreamEnds } from './stream.ts';
import type { Surroundings } from './surroundings.ts';

/** A poll that waits for its answer. */
export interface Held {
  answer(frames: readonly WireFrame[]): void;
  fail(failure: Failure): void;
}

/** Someone who asked through this device's session, and gets the answer. */
export type Relay = (tag: number, frame: ServerFrame) => void;

/**
 * What one device has while it polls: connected while a poll is held and for a while after. Each poll starts
 * the stream anew from its cursor, so what got lost on the way is simply told again (PROTOCOL 2.2).
 */
export class Poll implements Receiver, Requester, StreamEnds {
  readonly address: SessionAddress;
  readonly requests: Requests;
  readonly user: UserId;
  readonly device: DeviceId;
  private readonly around: Surroundings;
  private readonly left: () => void;
  private readonly stream: Stream;
  private state: 'connecting' | 'open' | 'closed' = 'connecting';
  private tags = 0;
  private isReady = false;
  private held: Held | undefined;
  private patience: 'wait' | 'none' = 'wait';
  private timer: Timer | undefined;
  private frames: WireFrame[] = [];
  private relays: Map<number, Relay> | undefined;
  /** The cursor that it connected with; acknowledged when it is known that it can be used. */
  private readonly asked: number | undefined;
  private unacknowledged: number | undefined;
  /** The cursors that a poll may have without connecting anew: all that was told in between is known to be kept. */
  private floor = 0;
  private told = 0;

  /** `left` is called when the device no longer counts as connected. */
  constructor(around: Surroundings, user: UserId, device: DeviceId, cursor: number | undefined, left: () => void) {
    this.around = around;
    this.user = user;
    this.device = device;
    this.asked = cursor;
    this.left = left;
    this.requests = new Requests(around.requests);
    this.stream = new Stream(this);
    this.address = around.registry.add(this);
    const tag = this.nextTag();
    this.requests.add({ tag, id: undefined, clientId: undefined, late: 'give-up', since: around.clock.monotonic() });
    around.tellUser(user, { kind: 'connect', session: this.address, tag, device, cursor, by: 'poll' });
  }

  get settings(): GatewaySettings {
    return this.around.settings;
  }

  get unwritten(): number {
    return 0;
  }

  get connected(): boolean {
    return this.state === 'open';
  }

  nextTag(): number {
    return ++this.tags;
  }

  /** Whether a poll with this cursor can go on here, without connecting anew. */
  canServe(cursor: number | undefined): boolean {
    if (cursor === undefined || this.state === 'closed') return false;
    return this.state === 'connecting' ? cursor === this.asked : cursor >= this.floor && cursor <= this.told;
  }

  /** Keeps a poll until there is a frame for it, or `waitMs` are over. The one before it ends, empty. */
  keep(held: Held, cursor: number | undefined, waitMs: number): void {
    this.answer([]);
    this.held = held;
    this.patience = waitMs === 0 ? 'none' : 'wait';
    this.setTimer(waitMs === 0 ? this.settings.requestTimeoutMs : waitMs, () => this.answer(this.takeFrames()));
    if (this.state === 'open' && cursor !== undefined) {
      if (cursor > this.floor) this.acknowledge(cursor);
      this.floor = cursor;
      this.stream.start(cursor);
    }
    this.ready();
  }

  /** The client of the poll that is held has gone. */
  letGo(held: Held): void {
    if (this.held === held) this.rest();
  }

  /** Sends the answer with this tag to `relay` instead of into a poll. */
  relay(tag: number, relay: Relay): void {
    this.relays ??= new Map();
    this.relays.set(tag, relay);
  }

  /** No answer will come for this tag; false where one came already. */
  giveUp(tag: number): boolean {
    return this.relays?.delete(tag) === true;
  }

  // ── What the user's actor says ──

  emit(tag: number, frame: ServerFrame): void {
    if (this.state === 'closed') return;
    switch (frame.type) {
      case 'events':
        return this.stream.events(tag, frame);
      case 'stale':
        return this.stream.again();
      case 'pulled':
        this.requests.take(tag);
        return this.stream.pulled(tag, frame.end);
      case 'welcome':
        return this.welcome(tag, frame);
      case 'reset':
        this.frames.push(frame);
        return this.restart(frame.cursor, undefined);
      case 'typing':
      case 'presence':
      case 'receipt':
        // Nobody waits for these; between two polls the newest few are kept.
        if (this.frames.length >= this.settings.pollEventsMax) this.frames.shift();
        this.frames.push(frame);
        return this.ready();
      default:
        return this.answered(tag, frame);
    }
  }

  close(): void {
    this.answer(this.takeFrames());
    this.end('told');
  }

  /** The device has connected anew. Its user is told, in case that came to nothing. */
  retire(): void {
    this.answer([]);
    this.end('tell');
  }

  goaway(reason: string, afterMs: number): void {
    this.frames.push({ type: 'goaway', reason, afterMs });
    this.ready();
  }

  sweep(second: number): void {
    for (const { tag, late } of this.requests.expired(second * 1000 - this.settings.requestTimeoutMs)) {
      if (late === 'ask-again') this.stream.pullFailed(tag);
      else if (late === 'give-up') this.fail(new Failure('unavailable', 'the user could not be reached in time; poll again', this.later));
      else this.relayed(tag, { type: 'error', code: late, message: 'no answer came in time', ...this.later });
    }
    this.stream.retry();
  }

  private get later(): { readonly retryAfterMs: number } {
    return { retryAfterMs: this.settings.overloadedRetryMs };
  }

  private welcome(tag: number, frame: Extract<ServerFrame, { type: 'welcome' }>): void {
    if (this.requests.take(tag) === undefined || this.state !== 'connecting') return;
    this.state = 'open';
    const { limits, node } = this.around;
    if (this.asked === undefined) this.frames.push({ ...frame, limits, node });
    this.restart(frame.cursor, this.asked);
  }

  private restart(cursor: number, acknowledged: number | undefined): void {
    this.floor = cursor;
    this.told = cursor;
    this.unacknowledged = acknowledged;
    this.stream.start(cursor);
    if (this.held === undefined) this.stream.pause();
    this.ready();
  }

  private answered(tag: number, frame: Exclude<ServerFrame, EventsFrame>): void {
    const request = this.requests.take(tag);
    if (request === undefined) return;
    if (frame.type !== 'error' || (request.late !== 'ask-again' && request.late !== 'give-up')) return this.relayed(tag, frame);
    if (request.late === 'ask-again') return this.stream.pullFailed(tag);
    const { code, message, retryAfterMs } = frame;
    this.fail(new Failure(code, message, retryAfterMs === undefined ? {} : { retryAfterMs }));
  }

  private relayed(tag: number, frame: ServerFrame): void {
    const relay = this.relays?.get(tag);
    this.relays?.delete(tag);
    relay?.(tag, frame);
  }

  // ── The stream's ends ──

  write(frame: EventsFrame | SomeEvents | Sent): void {
    this.frames.push(frame);
    this.ready();
  }

  wants(): void {
    this.ready();
  }

  pull(after: number): number {
    const tag = this.nextTag();
    this.requests.add({ tag, id: undefined, clientId: undefined, late: 'ask-again', since: this.around.clock.monotonic() });
    const limit = this.settings.pollEventsMax;
    this.around.tellUser(this.user, { kind: 'pull', session: this.address, tag, after, limit });
    // Refused at once, it is asked for again later.
    return this.requests.waits(tag) ? tag : 0;
  }

  /** Own entries are told as events: `sent` went to whoever posted them. */
  holdUntil(): number {
    return 0;
  }

  hold(): void {}

  /** At the end of a turn in which there was something to write or to ask for. */
  flush(): void {
    this.isReady = false;
    if (this.state !== 'open') return;
    if (this.unacknowledged !== undefined) this.acknowledge(this.unacknowledged);
    this.unacknowledged = undefined;
    if (this.held === undefined) return;
    if (this.frames.length > 0 || (this.patience === 'none' && this.stream.settled)) this.answer(this.takeFrames());
    else this.stream.ask();
  }

  // ── How polls end ──

  private takeFrames(): readonly WireFrame[] {
    const { frames } = this;
    this.frames = [];
    return frames;
  }

  private answer(frames: readonly WireFrame[]): void {
    const { held } = this;
    if (held === undefined) return;
    this.told = Math.max(this.told, this.stream.cursor);
    this.rest();
    held.answer(frames);
  }

  private fail(failure: Failure): void {
    const { held } = this;
    this.held = undefined;
    this.end('told');
    held?.fail(failure);
  }

  /** No poll is held: for a while the device still counts as connected. */
  private rest(): void {
    this.held = undefined;
    if (this.state === 'closed') return;
    this.stream.pause();
    this.setTimer(this.settings.pollLingerMs, () => this.end('tell'));
  }

  private end(user: 'tell' | 'told'): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.timer?.cancel();
    this.around.registry.remove(this.address);
    this.requests.clear();
    this.left();
    const gone = new Failure('unavailable', 'the device is no longer connected; post it again', this.later);
    for (const [tag, relay] of this.relays ?? []) relay(tag, { type: 'error', code: gone.code, message: gone.message, ...this.later });
    if (user === 'tell') this.around.tellUser(this.user, { kind: 'disconnect', session: this.address, tag: 0, device: this.device });
  }

  private acknowledge(cursor: number): void {
    this.around.tellUser(this.user, { kind: 'ack', session: this.address, tag: 0, device: this.device, cursor });
  }

  private setTimer(afterMs: number, action: () => void): void {
    this.timer?.cancel();
    this.timer = this.around.clock.after(afterMs, action);
  }

  private ready(): void {
    if (this.isReady || this.state === 'closed') return;
    this.isReady = true;
    this.around.turns.add(this);
  }
}
