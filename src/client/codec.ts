import type { ClientFrame, ServerFrame } from './frames.ts';

/** One of the two encodings (PROTOCOL 2.1.1). `decode` gives the frames of a message in order; throws on anything else. */
export interface Codec {
  readonly subprotocol: string;
  encode(frame: ClientFrame): string | Uint8Array<ArrayBuffer>;
  decode(message: string | ArrayBuffer): readonly ServerFrame[];
}

export const json: Codec = {
  subprotocol: 'parley.v1.json',
  encode: (frame) => JSON.stringify(frame),
  decode: (message) => framesOf(JSON.parse(message as string)),
};

/** A message carries one frame or an array of them (3.1.1). */
export function framesOf(message: unknown): readonly ServerFrame[] {
  const frames = Array.isArray(message) ? (message as unknown[]) : [message];
  for (const frame of frames) {
    if (typeof frame !== 'object' || frame === null || typeof (frame as { type?: unknown }).type !== 'string') {
      throw new Error('a frame is an object with a type');
    }
  }
  return frames as readonly ServerFrame[];
}
