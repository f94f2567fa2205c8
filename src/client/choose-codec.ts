import { type Codec, json } from './codec.ts';

export type CodecName = 'json' | 'msgpack';

/** msgpack is loaded when it is asked for, so a page that speaks JSON needs no other module. */
export const chooseCodec = async (name: CodecName): Promise<Codec> => (name === 'json' ? json : (await import('./msgpack.ts')).msgpack);
