import type { EventsFrame, ServerFrame } from '../actors/messages.ts';
import { Failure } from '../failure.ts';
import type { BodyLimits } from './body.ts';

export interface FrameLimits extends BodyLimits {
  readonly frameBytesMax: number;
  readonly framesPerMessageMax: number;
}

/** One of the two encodings (PROTOCOL 2.1.1). */
export interface Codec {
  readonly subprotocol: string;
  /** Whether its messages are binary on the WebSocket. */
  readonly binary: boolean;
  /**
   * The frames of a client's message in order, each checked for its form only. Of a message that can't be
   * read to its end, only the `Failure` that says why; a frame too long is an `Oversize`; a body may be a `PackedBody`, or a
   * `Failure` where it can't be one. Never throws. Keeps nothing of `message`.
   */
  decode(message: Buffer, limits: FrameLimits): readonly unknown[];
  /** One message of these frames. It is only good until the next call: a socket has taken it by then. */
  encode(frames: readonly WireFrame[]): string | Uint8Array;
  /** Forgets what `encode` keeps to encode the same events again for the next session: called when none is waiting. */
  rest(): void;
}

/** A part of a run: entries `from` up to, not including, `to`. */
export interface SomeEvents {
  readonly type: 'some-events';
  readonly run: EventsFrame;
  readonly from: number;
  readonly to: number;
}

/** A frame as a session writes it. */
export type WireFrame =
  | EventsFrame
  | SomeEvents
  | (Exclude<ServerFrame, { type: 'welcome' | 'pulled' | 'stale' | 'events' }> & { readonly id?: string; readonly clientId?: string })
  | { readonly type: 'welcome' | 'goaway' | 'pong'; readonly [field: string]: unknown };

/** How many frames these are for the client. */
export function framesIn(frames: readonly WireFrame[]): number {
  let count = 0;
  for (const frame of frames) {
    if (frame.type === 'events') count += frame.batch.entries.length;
    else count += frame.type === 'some-events' ? frame.to - frame.from : 1;
  }
  return count;
}

/** In place of a frame over `frameBytesMax`: what an error gives back of it. */
export class Oversize {
  readonly id: unknown;
  readonly clientId: unknown;
  constructor(frame: { readonly id?: unknown; readonly clientId?: unknown }) {
    this.id = frame.id;
    this.clientId = frame.clientId;
  }
}

export const tooManyFrames = (limits: FrameLimits): Failure =>
  new Failure('too-large', `the message has more than ${limits.framesPerMessageMax} frames (framesPerMessageMax)`);
