import type { EventsFrame, ServerFrame } from '../actors/messages.ts';
import { CLOSE } from '../close-codes.ts';
import type { SessionAddress } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import type { DeviceId, UserId } from '../ids.ts';
import { admit, type Requester } from './admission.ts';
import { closeAfter } from './close-codes.ts';
import type { Codec, SomeEvents, WireFrame } from './codec.ts';
import { type Frame, namesOf, optionalId } from './fields.ts';
import { helloOf, typeOf } from './frames.ts';
import { Outbox, type Socket } from './outbox.ts';
import type { Peer } from './peers.ts';
import { debtMs, rateLimited, take } from './rates.ts';
import type { Receiver } from './registry.ts';
import { type Request, Requests } from './requests.ts';
import type { GatewaySettings } from './settings.ts';
import { type Sent, Stream, type StreamEnds } from './stream.ts';
import type { Surroundings } from './surroundings.ts';

const NOBODY = '' as UserId;
const NOWHERE = '' as DeviceId;

/**
 * What one device has while its WebSocket is open: new until it says hello, connecting until its user says
 * welcome, then open. It may be closed from either end at any time; nothing is written after that.
 */
export class Session implements Requester, Receiver, StreamEnds {
  readonly address: SessionAddress;
  readonly requests: Requests;
  user: UserId = NOBODY;
  device: DeviceId = NOWHERE;
  lastSentTo: Requester['lastSentTo'] = undefined;
  private readonly around: Surroundings;
  private readonly codec: Codec;
  private readonly peer: Peer;
  private readonly outbox: Outbox;
  private readonly stream: Stream;
  private state: 'new' | 'connecting' | 'open' | 'closed' = 'new';
  private isReady = false;
  private tags = 0;
  /** Frames that came before `welcome`. */
  private early: unknown[] | undefined;
  /** The connection's own token bucket; see rates.ts. */
  private fullAt = 0;
  private refusedFullAt = 0;
  /** The cursor of `hello`, until it is known that it can be used. */
  private unacknowledged: number | undefined;
  private expiresAt = Number.POSITIVE_INFINITY;
  private heardAt: number;
  private pingedAt: number;

  constructor(around: Surroundings, codec: Codec, peer: Peer) {
    this.around = around;
    this.codec = codec;
    this.peer = peer;
    this.requests = new Requests(around.requests);
    this.outbox = new Outbox(around, codec);
    this.stream = new Stream(this);
    this.address = around.registry.add(this);
    this.heardAt = around.turns.second;
    this.pingedAt = this.heardAt;
  }

  get settings(): GatewaySettings {
    return this.around.settings;
  }

  get unwritten(): number {
    return this.stream.held;
  }

  nextTag(): number {
    return ++this.tags;
  }

  // ── What the socket says ──

  opened(socket: Socket): void {
    this.outbox.socket = socket;
  }

  /** Something came that shows the client is there. Only `hello` does that at first. */
  heard(): void {
    if (this.state !== 'new') this.heardAt = this.around.turns.second;
  }

  received(message: ArrayBuffer, binary: boolean): void {
    const { settings, measures, clock, shed } = this.around;
    if (message.byteLength > settings.messageBytesMax) {
      return this.close(CLOSE.tooBig, `a message has at most ${settings.messageBytesMax} bytes (messageBytesMax)`);
    }
    if (binary !== this.codec.binary) {
      return this.refuse(
        new Failure('bad-frame', `messages must be ${binary ? 'text' : 'binary'} on ${this.codec.subprotocol}`),
        undefined,
      );
    }
    const frames = this.codec.decode(Buffer.from(message), settings);
    measures.framesIn += frames.length;
    const now = clock.monotonic();
    const shedding = shed();
    for (const frame of frames) {
      this.frame(frame, now, shedding);
      if (this.isClosed()) return;
    }
    this.heard();
  }

  drained(): void {
    this.outbox.measure();
    if (this.stream.paused && this.outbox.roomy) this.stream.resume();
  }

  /** The socket is gone. */
  gone(): void {
    if (this.state === 'closed') return;
    const told = this.state !== 'new';
    this.state = 'closed';
    this.around.peers.close(this.peer, told ? 'spoke' : 'silent');
    this.around.registry.remove(this.address);
    this.outbox.gone();
    this.requests.clear();
    this.early = undefined;
    if (told) this.around.tellUser(this.user, { kind: 'disconnect', session: this.address, tag: 0, device: this.device });
  }

  // ── What the client says ──

  private frame(frame: unknown, now: number, shedding: Failure | undefined): void {
    try {
      if (frame instanceof Failure) throw frame;
      this.pay(now);
      if (this.state === 'open') this.act(frame, now, shedding);
      else if (this.state === 'new') this.hello(frame, now, shedding);
      else this.wait(frame);
    } catch (thrown) {
      this.refuse(Failure.from(thrown), frame);
    }
  }

  private pay(now: number): void {
    if (!this.settings.ratesOn) return;
    const rate = this.settings.rates.framesPerConnection;
    const fullAt = take(rate, this.fullAt, now);
    const waitMs = debtMs(rate, fullAt, now);
    if (waitMs > 0) throw rateLimited('framesPerConnection', waitMs);
    this.fullAt = fullAt;
  }

  private hello(frame: unknown, now: number, shedding: Failure | undefined): void {
    const { verify, rates, tellUser, peers } = this.around;
    if (typeOf(frame) !== 'hello') throw new Failure('hello-first', 'say hello first: {"type":"hello","token":…,"device":…}');
    const { token, device, cursor } = helloOf(frame as Frame);
    if (shedding !== undefined) throw shedding;
    const id = optionalId(frame as Frame);
    try {
      ({ user: this.user, expiresAt: this.expiresAt } = verify.user(token));
    } catch (thrown) {
      rates.take('refusedTokensPerAddress', this.peer.address, now);
      throw thrown;
    }
    this.device = device;
    this.unacknowledged = cursor;
    this.state = 'connecting';
    peers.spoke(this.peer);
    const tag = this.nextTag();
    this.requests.add({ tag, id, clientId: undefined, late: 'give-up', since: now });
    tellUser(this.user, { kind: 'connect', session: this.address, tag, device, cursor, by: 'socket' });
  }

  /** Keeps what came before `welcome`, to act on it after (PROTOCOL 4.1.4). */
  private wait(frame: unknown): void {
    if (typeOf(frame) === 'hello') throw new Failure('bad-frame', 'hello was said already');
    this.early ??= [];
    if (this.early.push(frame) > this.settings.framesPerMessageMax) {
      throw new Failure('overloaded', 'too many frames before welcome', { retryAfterMs: this.settings.overloadedRetryMs });
    }
  }

  private act(frame: unknown, now: number, shedding: Failure | undefined): void {
    const type = typeOf(frame);
    if (type === 'ping') {
      const id = optionalId(frame as Frame);
      return this.put({ type: 'pong', ...namesOf(frame), ...(id === undefined ? {} : { id }), at: this.around.clock.now() });
    }
    if (type === 'hello') throw new Failure('conflict', 'hello was said already; connect anew to be another device');
    admit(this.around, this, frame as Frame, now, shedding);
  }

  /** Tells a failure; before `welcome`, and where nothing can be trusted further, the connection ends by it. */
  private refuse(failure: Failure, frame: unknown): void {
    this.putError(failure, namesOf(frame));
    if (this.state !== 'open' || failure.code === 'bad-frame') this.close(closeAfter(failure.code), failure.code);
    else if (this.goesOn()) this.close(CLOSE.overloaded, 'sent on, whatever was refused');
  }

  /** One more was refused: whether the client takes no notice of that. */
  private goesOn(): boolean {
    if (!this.settings.ratesOn) return false;
    const now = this.around.clock.monotonic();
    const rate = this.settings.rates.refusalsPerConnection;
    this.refusedFullAt = take(rate, this.refusedFullAt, now);
    return debtMs(rate, this.refusedFullAt, now) > 0;
  }

  private putError({ code, message, retryAfterMs }: Failure, names: Names): void {
    this.around.measures.error(code);
    this.put(named({ type: 'error', code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }, names));
  }

  // ── What the user's actor says ──

  emit(tag: number, frame: ServerFrame): void {
    if (this.state === 'closed') return;
    switch (frame.type) {
      case 'events':
        return this.stream.events(tag, frame);
      case 'sent':
        return this.sent(tag, frame);
      case 'stale':
        return this.stream.again();
      case 'pulled':
        this.requests.take(tag);
        return this.stream.pulled(tag, frame.end);
      case 'welcome':
        return this.welcome(tag, frame);
      case 'reset':
        this.put(frame);
        this.unacknowledged = undefined;
        return this.stream.start(frame.cursor);
      case 'typing':
      case 'presence':
      case 'receipt':
        // Nobody waits for these, and a client that reads too slowly goes without (PROTOCOL 4.3.6).
        return this.stream.paused ? undefined : this.put(frame);
      case 'error':
        if (tag !== 0 && this.stream.isPull(tag)) this.stream.pullFailed(tag);
        return this.answer(tag, frame);
      default:
        return this.answer(tag, frame);
    }
  }

  /** Ends the connection after what has been said so far. The socket calls `gone` meanwhile. */
  close(code: number, reason: string): void {
    if (this.state !== 'closed') this.outbox.end(code, reason);
  }

  goaway(reason: string, afterMs: number): void {
    if (this.state === 'open') this.put({ type: 'goaway', reason, afterMs });
  }

  private welcome(tag: number, frame: Extract<ServerFrame, { type: 'welcome' }>): void {
    const request = this.requests.take(tag);
    if (request === undefined || this.state !== 'connecting') return;
    const { node, limits, clock, shed } = this.around;
    this.state = 'open';
    this.put({ ...named(frame, request), limits, node });
    this.stream.start(frame.cursor);
    // What came early has paid already.
    this.fullAt = 0;
    const { early } = this;
    this.early = undefined;
    for (const waiting of early ?? []) {
      this.frame(waiting, clock.monotonic(), shed());
      if (this.isClosed()) return;
    }
  }

  private sent(tag: number, frame: Extract<ServerFrame, { type: 'sent' }>): void {
    const request = this.requests.take(tag);
    // One that comes too late was answered with `timeout`; its event is told in the stream.
    if (request === undefined) return;
    const { measures, clock, requests } = this.around;
    const now = clock.monotonic();
    measures.sent++;
    measures.sentDurations.record(now - request.since);
    requests.answered(now - request.since, now);
    const sent: Sent = request.id === undefined ? frame : { ...frame, id: request.id };
    if (frame.duplicate === true) this.put(sent);
    else this.stream.sent(sent);
  }

  private answer(tag: number, frame: Extract<WireFrame, { readonly type: Answer }>): void {
    if (tag === 0) return this.put(frame);
    const request = this.requests.take(tag);
    if (request === undefined || request.late === 'ask-again') return;
    this.put(named(frame, request));
    if (frame.type !== 'error') return;
    this.around.measures.error(frame.code);
    if (request.late === 'give-up') this.close(closeAfter(frame.code), frame.code);
  }

  // ── The stream's ends ──

  write(frame: EventsFrame | SomeEvents | Sent): void {
    this.put(frame);
    if (this.outbox.full) this.stream.pause();
  }

  wants(): void {
    this.ready();
  }

  pull(after: number): number {
    const tag = this.nextTag();
    this.requests.add({ tag, id: undefined, clientId: undefined, late: 'ask-again', since: this.around.clock.monotonic() });
    this.around.tellUser(this.user, { kind: 'pull', session: this.address, tag, after, limit: this.settings.pullEventsMax });
    // Refused at once, it is asked for again later.
    return this.requests.waits(tag) ? tag : 0;
  }

  holdUntil(): number {
    return this.around.clock.monotonic() + this.settings.ownEventHoldMs;
  }

  hold(until: number): void {
    this.around.turns.hold(this, until);
  }

  release(now: number): number {
    return this.state === 'open' ? this.stream.release(now) : 0;
  }

  // ── What happens by itself ──

  /** At the end of a turn in which there was something to write or to ask for. */
  flush(): void {
    this.isReady = false;
    if (this.state === 'closed') return;
    this.outbox.write();
    if (this.outbox.overflowing) return this.close(CLOSE.slow, 'answers were not read');
    if (this.outbox.full) this.stream.pause();
    else if (this.stream.paused && this.outbox.roomy) this.stream.resume();
    if (this.state !== 'open') return;
    this.stream.ask();
    if (this.unacknowledged !== undefined) this.acknowledge(this.unacknowledged);
  }

  /** What the device had when it said hello, it has (PROTOCOL 4.1.3). */
  private acknowledge(cursor: number): void {
    this.unacknowledged = undefined;
    if (cursor > 0) this.around.tellUser(this.user, { kind: 'ack', session: this.address, tag: 0, device: this.device, cursor });
  }

  sweep(second: number): void {
    const { helloTimeoutMs, silenceMaxMs, pingPeriodMs, slowMaxMs, requestTimeoutMs } = this.settings;
    // Seconds are whole: it was heard up to one later than `heardAt` says.
    const heardMs = (second - this.heardAt - 1) * 1000;
    if (this.state === 'new') {
      if (heardMs >= helloTimeoutMs) this.refuse(new Failure('hello-first', 'no hello came in time'), undefined);
      return;
    }
    if (heardMs >= silenceMaxMs) return this.close(CLOSE.silent, 'nothing was heard');
    if (this.outbox.stuckFor(second) * 1000 >= slowMaxMs) return this.close(CLOSE.slow, 'nothing was read');
    if (this.around.clock.now() >= this.expiresAt) {
      return this.end(new Failure('token-expired', 'the token has expired: get a new one, then connect'));
    }
    if ((second - this.pingedAt) * 1000 >= pingPeriodMs) {
      this.pingedAt = second;
      this.outbox.socket?.ping();
    }
    for (const request of this.requests.expired(second * 1000 - requestTimeoutMs)) this.late(request);
    if (this.state === 'open') this.stream.retry();
  }

  private late(request: Request): void {
    const retryAfterMs = this.settings.overloadedRetryMs;
    switch (request.late) {
      case 'ask-again':
        return this.stream.pullFailed(request.tag);
      case 'give-up':
        return this.end(new Failure('unavailable', 'the user could not be reached in time; connect again', { retryAfterMs }));
      case 'unavailable':
        return this.putError(new Failure('unavailable', 'no answer came in time; ask again', { retryAfterMs }), request);
      case 'timeout':
        return this.putError(
          new Failure('timeout', 'the outcome is unknown: send it again with the same client id', { retryAfterMs }),
          request,
        );
    }
  }

  /** Tells a failure that ends the connection. */
  private end(failure: Failure): void {
    this.putError(failure, {});
    this.close(closeAfter(failure.code), failure.code);
  }

  private put(frame: WireFrame): void {
    this.outbox.put(frame);
    this.ready();
  }

  private ready(): void {
    if (this.isReady || this.state === 'closed') return;
    this.isReady = true;
    this.around.turns.add(this);
  }

  private isClosed(): boolean {
    return this.state === 'closed';
  }
}

interface Names {
  readonly id?: string | undefined;
  readonly clientId?: string | undefined;
}

type Answer = 'sent' | 'page' | 'conversations' | 'receipts' | 'group' | 'done' | 'error' | 'receipt';

/** The frame with the names that its request had (PROTOCOL 3.4.2). */
function named<Frame extends WireFrame | ServerFrame>(frame: Frame, { id, clientId }: Names): Frame {
  if (id === undefined && clientId === undefined) return frame;
  return { ...frame, ...(id === undefined ? {} : { id }), ...(clientId === undefined ? {} : { clientId }) };
}
