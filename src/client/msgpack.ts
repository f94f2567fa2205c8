import { Packr, Unpackr } from 'msgpackr';
import { type Codec, framesOf } from './codec.ts';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export const msgpack: Codec = {
  subprotocol: 'parley.v1.msgpack',
  encode: (frame) => packr.pack(frame) as Uint8Array<ArrayBuffer>,
  decode: (message) => framesOf(unpackr.unpack(new Uint8Array(message as ArrayBuffer))),
};
