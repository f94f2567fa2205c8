import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { Failure } from '../failure.ts';
import type { DeviceId, UserId } from '../ids.ts';
import type { WireFrame } from './codec.ts';
import { namesOf } from './fields.ts';
import { typeOf } from './frames.ts';
import { addressOf, allowAnyOrigin, deviceIn, Exchange, integerIn, tokenOf } from './http.ts';
import { json } from './json.ts';
import { type Held, Poll } from './poll.ts';
import { Post } from './post.ts';
import type { Surroundings } from './surroundings.ts';

/** The calls for those who can't hold a socket: `GET /v1/poll` and `POST /v1/frames`. `closed`: why they aren't taken. */
export class Polling {
  private readonly around: Surroundings;
  private readonly closed: () => Failure | undefined;
  private readonly polls = new Map<string, Poll>();
  private bodies = 0;

  constructor(around: Surroundings, closed: () => Failure | undefined) {
    this.around = around;
    this.closed = closed;
  }

  get count(): number {
    return this.polls.size;
  }

  serve(app: TemplatedApp): void {
    app.get('/v1/poll', (response, request) => this.respond(response, request, this.poll));
    app.post('/v1/frames', (response, request) => this.respond(response, request, this.post));
    app.options('/v1/poll', (response) => allowAnyOrigin(response, 'GET'));
    app.options('/v1/frames', (response) => allowAnyOrigin(response, 'POST'));
  }

  private respond(
    response: HttpResponse,
    request: HttpRequest,
    act: (exchange: Exchange, request: HttpRequest, user: UserId) => void,
  ): void {
    const exchange = new Exchange(response);
    const { settings, rates, verify, clock, measures } = this.around;
    const now = clock.monotonic();
    try {
      const refusal = this.closed();
      if (refusal !== undefined) throw refusal;
      const address = addressOf(response, request, settings.addressHeader);
      rates.take('connectsPerAddress', address, now);
      const token = tokenOf(request);
      act.call(
        this,
        exchange,
        request,
        this.userOf(() => verify.user(token).user, address, now),
      );
    } catch (thrown) {
      const failure = Failure.from(thrown);
      measures.error(failure.code);
      exchange.fail(failure);
    }
  }

  private userOf(verified: () => UserId, address: string, now: number): UserId {
    try {
      return verified();
    } catch (thrown) {
      this.around.rates.take('refusedTokensPerAddress', address, now);
      throw thrown;
    }
  }

  private poll(exchange: Exchange, request: HttpRequest, user: UserId): void {
    const { settings, shed } = this.around;
    const device = deviceIn<DeviceId>(request);
    const cursor = integerIn(request, 'cursor', Number.MAX_SAFE_INTEGER);
    const wait = integerIn(request, 'wait', settings.pollWaitMaxMs / 1000);
    const shedding = shed();
    if (shedding !== undefined) throw shedding;
    const key = `${user} ${device}`;
    let poll = this.polls.get(key);
    if (poll?.canServe(cursor) !== true) {
      if (this.polls.size >= settings.connectionsMax) {
        throw new Failure('overloaded', 'this node has as many polls as it can', { retryAfterMs: settings.overloadedRetryMs });
      }
      const fresh = new Poll(this.around, user, device, cursor, () => {
        if (this.polls.get(key) === fresh) this.polls.delete(key);
      });
      this.polls.set(key, fresh);
      poll?.retire();
      poll = fresh;
    }
    const held: Held = {
      answer: (frames) => exchange.answer(messageOf(frames)),
      fail: (failure) => exchange.fail(failure),
    };
    const polled = poll;
    exchange.onLeft(() => polled.letGo(held));
    poll.keep(held, cursor, wait === undefined ? settings.pollWaitDefaultMs : wait * 1000);
  }

  private post(exchange: Exchange, request: HttpRequest, user: UserId): void {
    const { settings, clock } = this.around;
    const device = deviceIn<DeviceId>(request);
    if (this.bodies >= settings.httpBodiesMax) {
      throw new Failure('overloaded', 'too many requests are being received', { retryAfterMs: settings.overloadedRetryMs });
    }
    this.bodies++;
    const over = (): void => {
      this.bodies--;
    };
    exchange.body(clock, settings.messageBytesMax, settings.httpBodyTimeoutMs, over, (body) => this.act(exchange, body, user, device));
  }

  private act(exchange: Exchange, body: Buffer, user: UserId, device: DeviceId): void {
    const { settings, measures } = this.around;
    const frames = json.decode(body, settings);
    const refusal = frames.length === 1 ? refusalOf(frames[0]) : undefined;
    if (refusal !== undefined) {
      measures.error(refusal.code);
      return exchange.fail(refusal, namesOf(frames[0]));
    }
    const post = new Post(this.around, user, device, this.polls.get(`${user} ${device}`), (answers) => exchange.answer(messageOf(answers)));
    exchange.onLeft(() => post.drop());
    post.act(frames);
  }
}

/** Why a body of one frame is none at all, or too large: then the call itself fails. */
function refusalOf(frame: unknown): Failure | undefined {
  if (frame instanceof Failure) return frame;
  try {
    typeOf(frame);
    return undefined;
  } catch (thrown) {
    const failure = Failure.from(thrown);
    return failure.code === 'bad-field' ? undefined : failure;
  }
}

function messageOf(frames: readonly WireFrame[]): string {
  if (frames.length === 0) return '{"frames":[]}';
  const message = json.encode(frames) as string;
  return `{"frames":${message.startsWith('[') ? message : `[${message}]`}}`;
}
