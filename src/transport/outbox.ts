import type { WebSocket } from 'uWebSockets.js';
import { CLOSE } from '../close-codes.ts';
import { type Codec, framesIn, type WireFrame } from './codec.ts';
import type { Surroundings } from './surroundings.ts';

/** What a session uses of a WebSocket. `send` gives 1 where the system has taken all of it. */
export type Socket = Pick<WebSocket<unknown>, 'send' | 'getBufferedAmount' | 'ping' | 'end' | 'close'>;

const TAKEN = 1;
/** A message holds no more frames than a client can be asked to read at once. */
const FRAMES_PER_MESSAGE = 256;
/** A close frame has no room for more. */
const REASON_CHARS_MAX = 120;
/** What uWebSockets can count to. */
const LINGER_MS_MAX = 960_000;

/** How long the system may keep what a closed socket hasn't taken: uWebSockets gives it up then. A live one is never silent for so long. */
export const lingerMs = ({ silenceMaxMs }: { readonly silenceMaxMs: number }): number => Math.min(silenceMaxMs + 30_000, LINGER_MS_MAX);

/**
 * What goes to one socket. Frames gather until the turn ends and are written as one message; what the socket
 * doesn't take at once is counted. It never refuses a frame: it says when it is full, and its session then
 * adds nothing but answers, or ends it.
 */
export class Outbox {
  socket: Socket | undefined;
  private readonly around: Surroundings;
  private readonly codec: Codec;
  private gathered: WireFrame[] | undefined;
  private gatheredBytes = 0;
  /** Bytes that the socket hasn't taken, and since when it takes none. */
  private backlog = 0;
  private stuckAt = 0;

  constructor(around: Surroundings, codec: Codec) {
    this.around = around;
    this.codec = codec;
  }

  put(frame: WireFrame): void {
    if (this.gathered === undefined) this.gathered = [frame];
    else this.gathered.push(frame);
    this.gatheredBytes += eventBytes(frame);
  }

  /** No more events for now. */
  get full(): boolean {
    const { outboxBytesMax, outboxResumeBytes, outboxesBytesMax } = this.around.settings;
    return this.gatheredBytes + this.backlog > (this.around.backlog.bytes > outboxesBytesMax ? outboxResumeBytes : outboxBytesMax);
  }

  /** There is room for events again. */
  get roomy(): boolean {
    return this.gatheredBytes === 0 && this.backlog <= this.around.settings.outboxResumeBytes;
  }

  /** Not even answers have room. */
  get overflowing(): boolean {
    return this.backlog > this.around.settings.outboxAnswersBytesMax;
  }

  /** The seconds since the socket last took something, where it has something to take. */
  stuckFor(second: number): number {
    return this.backlog === 0 ? 0 : second - this.stuckAt;
  }

  /** Writes what has gathered. */
  write(): void {
    const { socket, gathered } = this;
    if (gathered === undefined || socket === undefined) return;
    this.gathered = undefined;
    this.gatheredBytes = 0;
    for (let from = 0; from < gathered.length && !this.overflowing; ) {
      const to = cut(gathered, from);
      const frames = from === 0 && to === gathered.length ? gathered : gathered.slice(from, to);
      this.around.measures.framesOut += framesIn(frames);
      const message = this.codec.encode(frames);
      // As bytes: some builds of uWebSockets.js (Node 24) put a string of Latin-1 characters on the wire as they are in memory.
      if (socket.send(typeof message === 'string' ? Buffer.from(message) : message, this.codec.binary) !== TAKEN) this.measure();
      from = to;
    }
  }

  /** The socket has taken something. */
  measure(): void {
    this.count(this.socket?.getBufferedAmount() ?? 0);
  }

  /** Writes what has gathered and ends the connection, which calls `gone` before this returns. */
  end(code: number, reason: string): void {
    if (code !== CLOSE.tooBig) this.write();
    // What an ended socket hasn't taken stays in memory for a while; where there is too much of that, it is cut off.
    if (this.backlog > 0 && this.around.backlog.bytes > this.around.settings.outboxesBytesMax) this.socket?.close();
    else this.socket?.end(code, reason.slice(0, REASON_CHARS_MAX));
  }

  gone(): void {
    this.socket = undefined;
    this.gathered = undefined;
    const { backlog, around } = this;
    if (backlog === 0) return;
    around.clock.after(lingerMs(around.settings), () => {
      around.backlog.bytes -= backlog;
    });
    this.backlog = 0;
  }

  private count(bytes: number): void {
    if (bytes < this.backlog || this.backlog === 0) this.stuckAt = this.around.turns.second;
    this.around.backlog.bytes += bytes - this.backlog;
    this.backlog = bytes;
  }
}

/** The events' share of a frame's bytes: what makes an outbox full within a turn. */
function eventBytes(frame: WireFrame): number {
  if (frame.type === 'events') return frame.batch.packed.length;
  if (frame.type !== 'some-events') return 0;
  let bytes = 0;
  for (let i = frame.from; i < frame.to; i++) bytes += frame.run.batch.entries[i]?.packed.length ?? 0;
  return bytes;
}

/** Where the message that begins with frame `from` ends: pages go alone, so that no message is larger than one. */
function cut(frames: readonly WireFrame[], from: number): number {
  let to = from;
  while (to < frames.length && to - from < FRAMES_PER_MESSAGE) {
    const { type } = frames[to] as WireFrame;
    if (type === 'page' || type === 'conversations') return to === from ? to + 1 : to;
    to++;
  }
  return to;
}
