import type { Codec } from './codec.ts';
import { readFrames } from './msgpack-reader.ts';
import { writeFrames } from './msgpack-writer.ts';

export const msgpack: Codec = {
  subprotocol: 'parley.v1.msgpack',
  binary: true,
  decode: readFrames,
  encode: writeFrames,
  rest: () => {},
};
