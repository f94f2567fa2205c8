import type { ServerFrame } from '../actors/messages.ts';
import type { SessionAddress } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import type { DeviceId, UserId } from '../ids.ts';
import { admit, type Requester } from './admission.ts';
import type { WireFrame } from './codec.ts';
import { type Frame, namesOf, optionalId } from './fields.ts';
import { kindOf, typeOf } from './frames.ts';
import type { Poll } from './poll.ts';
import type { Receiver } from './registry.ts';
import { Requests } from './requests.ts';
import type { GatewaySettings } from './settings.ts';
import type { Surroundings } from './surroundings.ts';

/** The `id` of frames that had none, so that they too are known to be done, or are told why not. */
const UNNAMED = 'unnamed';
/** What these set belongs to a session, so they go through that of the device's poll, where it has one. */
const OF_SESSIONS: ReadonlySet<string> = new Set(['watch', 'unwatch', 'presence']);

interface Slot {
  /** Where in the answer. */
  readonly at: number;
  /** The names that the frame had. */
  readonly names: { readonly id?: string; readonly clientId?: string };
}

/** One `POST /v1/frames`: frames that are answered together, in their order (PROTOCOL 2.3). */
export class Post implements Requester, Receiver {
  readonly address: SessionAddress;
  readonly requests: Requests;
  readonly user: UserId;
  readonly device: DeviceId;
  private readonly around: Surroundings;
  private readonly poll: Poll | undefined;
  private readonly done: (frames: readonly WireFrame[]) => void;
  private readonly answers: (WireFrame | undefined)[] = [];
  private readonly slots = new Map<number, Slot>();
  private relayed = 0;
  private state: 'acting' | 'waiting' | 'done' = 'acting';
  private tags = 0;

  /** `done` is called once, with all answers. `poll`: the device's session, where it is connected by one. */
  constructor(around: Surroundings, user: UserId, device: DeviceId, poll: Poll | undefined, done: (frames: readonly WireFrame[]) => void) {
    this.around = around;
    this.user = user;
    this.device = device;
    this.poll = poll;
    this.done = done;
    this.requests = new Requests(around.requests);
    this.address = around.registry.add(this);
  }

  get settings(): GatewaySettings {
    return this.around.settings;
  }

  get unwritten(): number {
    return 0;
  }

  nextTag(): number {
    return ++this.tags;
  }

  act(frames: readonly unknown[]): void {
    const { clock, rates, shed, measures } = this.around;
    const now = clock.monotonic();
    const shedding = shed();
    measures.framesIn += frames.length;
    for (const [at, frame] of frames.entries()) {
      try {
        if (frame instanceof Failure) throw frame;
        rates.take('framesPerConnection', this.user, now);
        this.frame(at, frame, now, shedding);
      } catch (thrown) {
        const failure = Failure.from(thrown);
        this.answers[at] = this.errorOf(failure, namesOf(frame));
        if (failure.code === 'bad-frame') break;
      }
    }
    this.state = 'waiting';
    this.check();
  }

  emit(tag: number, frame: ServerFrame): void {
    if (this.requests.take(tag) !== undefined) this.answer(tag, frame);
  }

  /** Its user has closed it: what is unanswered stays so until its time is over. */
  close(): void {}

  goaway(): void {}

  sweep(second: number): void {
    for (const { tag, late } of this.requests.expired(second * 1000 - this.settings.requestTimeoutMs)) {
      const message =
        late === 'timeout' ? 'the outcome is unknown: send it again with the same client id' : 'no answer came in time; ask again';
      if (late === 'timeout' || late === 'unavailable') this.answer(tag, this.errorOf(new Failure(late, message, this.later), {}));
    }
  }

  /** The client has gone. */
  drop(): void {
    if (this.state === 'done') return;
    this.state = 'done';
    this.requests.clear();
    this.around.registry.remove(this.address);
  }

  private get later(): { readonly retryAfterMs: number } {
    return { retryAfterMs: this.settings.overloadedRetryMs };
  }

  private frame(at: number, frame: unknown, now: number, shedding: Failure | undefined): void {
    const type = typeOf(frame);
    const names = namesOf(frame);
    if (type === 'hello') throw new Failure('conflict', 'hello is for WebSockets; a POST says who it is in its header and query');
    if (type === 'ping') {
      optionalId(frame as Frame);
      this.answers[at] = { type: 'pong', ...names, at: this.around.clock.now() };
      return;
    }
    const isUnnamed = kindOf(type).answered === 'with-id' && (frame as Frame)['id'] === undefined;
    const named = isUnnamed ? { ...(frame as Frame), id: UNNAMED } : (frame as Frame);
    const poll = OF_SESSIONS.has(type) && this.poll?.connected === true ? this.poll : undefined;
    let claimed = 0;
    const claim = (tag: number): void => {
      claimed = tag;
      if (poll === undefined) this.slots.set(tag, { at, names });
      else {
        this.relayed++;
        poll.relay(tag, (_tag, answer) => {
          this.relayed--;
          this.put({ at, names }, answer);
        });
      }
    };
    try {
      admit(this.around, poll ?? this, named, now, shedding, claim);
    } catch (thrown) {
      if (poll === undefined) this.slots.delete(claimed);
      else if (poll.giveUp(claimed)) this.relayed--;
      throw thrown;
    }
  }

  private answer(tag: number, frame: ServerFrame | WireFrame): void {
    const slot = this.slots.get(tag);
    this.slots.delete(tag);
    if (slot !== undefined) this.put(slot, frame);
  }

  private put({ at, names }: Slot, frame: ServerFrame | WireFrame): void {
    // Nobody asked for a `done` where there was no id.
    if (frame.type === 'error') {
      const { code, message, retryAfterMs } = frame;
      this.answers[at] = this.errorOf(new Failure(code, message, retryAfterMs === undefined ? {} : { retryAfterMs }), names);
    } else if (frame.type !== 'done' || names.id !== undefined) this.answers[at] = { ...frame, ...names } as WireFrame;
    this.check();
  }

  private errorOf({ code, message, retryAfterMs }: Failure, names: Slot['names']): WireFrame {
    this.around.measures.error(code);
    return { type: 'error', code, message, ...names, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  private check(): void {
    if (this.state !== 'waiting' || this.slots.size > 0 || this.relayed > 0) return;
    this.drop();
    this.done(this.answers.filter((answer) => answer !== undefined));
  }
}
