import { Failure } from '../failure.ts';
import { badField, isWellFormed } from './fields.ts';
import { jsonOf } from './json-text.ts';

/** A body that a codec has already checked and packed. */
export class PackedBody {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly bodyDepthMax: number;
}

export const tooDeep = (limits: BodyLimits): Failure =>
  new Failure('too-large', `body nests deeper than ${limits.bodyDepthMax} (bodyDepthMax)`);
export const badText = (): Failure => badField('body.text', 'a string where it is there');
export const badKey = (): Failure => badField('body', 'free of the key __proto__, which too many decoders take for an order');
export const badUnicode = (): Failure => badField('body', 'valid Unicode, without lone surrogates');
export const badNumber = (): Failure => badField('body', 'free of NaN, infinity and integers past 2^53 - 1');
export const notJson = (): Failure => badField('body', 'made of JSON values alone: no binary, no extensions, string keys');

/** No byte of msgpack becomes more of JSON than this: `\u0001` and `false,` are the longest. */
const JSON_BYTES_PER_BYTE = 6;

/** Whether a packed body is too long as JSON. The bound is cheap and nearly always enough; only what is near the limit is written out. */
export function checkBytes(packed: Uint8Array, limits: BodyLimits): void {
  if (packed.length * JSON_BYTES_PER_BYTE > limits.bodyBytesMax && Buffer.byteLength(jsonOf(packed, 0)) > limits.bodyBytesMax) {
    throw new Failure('too-large', `body has more than ${limits.bodyBytesMax} bytes as JSON in UTF-8 (bodyBytesMax)`);
  }
}

/** Checks a body (PROTOCOL 3.7) and packs it. Nothing of it is called or believed, whatever its keys are. */
export function packBody(body: unknown, limits: BodyLimits): Uint8Array {
  if (body instanceof PackedBody) return body.bytes;
  if (body instanceof Failure) throw body;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badField('body', 'an object');
  const { text } = body as { readonly text?: unknown };
  if (text !== undefined && typeof text !== 'string') throw badText();
  end = 0;
  put(body, limits.bodyDepthMax, limits);
  const packed = Buffer.allocUnsafe(end);
  out.copy(packed, 0, 0, end);
  if (out.length > OUT_BYTES_MAX) out = Buffer.allocUnsafeSlow(OUT_BYTES_MAX);
  checkBytes(packed, limits);
  return packed;
}

const OUT_BYTES_MAX = 65_536;
let out = Buffer.allocUnsafeSlow(OUT_BYTES_MAX);
let end = 0;

function put(value: unknown, depth: number, limits: BodyLimits): void {
  switch (typeof value) {
    case 'string':
      return putText(value);
    case 'number':
      return putNumber(value);
    case 'boolean':
      return putHead(value ? 0xc3 : 0xc2);
    case 'object':
      break;
    default:
      throw notJson();
  }
  if (value === null) return putHead(0xc0);
  if (depth === 0) throw tooDeep(limits);
  if (Array.isArray(value)) {
    putLength(value.length, 0x90, 16, 0xdc);
    for (const item of value) put(item, depth - 1, limits);
    return;
  }
  const keys = Object.keys(value);
  putLength(keys.length, 0x80, 16, 0xde);
  for (const key of keys) {
    if (key === '__proto__') throw badKey();
    putText(key);
    put((value as Readonly<Record<string, unknown>>)[key], depth - 1, limits);
  }
}

function putText(text: string): void {
  if (!isWellFormed(text)) throw badUnicode();
  const bytes = Buffer.byteLength(text);
  room(bytes + 5);
  if (bytes >= 32 && bytes < 256) {
    out[end++] = 0xd9;
    out[end++] = bytes;
  } else putLength(bytes, 0xa0, 32, 0xda);
  end += out.write(text, end);
}

function putNumber(value: number): void {
  room(9);
  if (Number.isInteger(value) && value >= -0x80000000 && value <= 0xffffffff && !Object.is(value, -0)) putInteger(value);
  else if (Number.isFinite(value)) {
    out[end++] = 0xcb;
    end = out.writeDoubleBE(value, end);
  } else throw badNumber();
}

function putInteger(value: number): void {
  if (value >= -32 && value < 128) out[end++] = value & 0xff;
  else if (value >= 0) {
    out[end++] = 0xce;
    end = out.writeUInt32BE(value, end);
  } else {
    out[end++] = 0xd2;
    end = out.writeInt32BE(value, end);
  }
}

function putHead(head: number): void {
  room(1);
  out[end++] = head;
}

/** A length: in the head itself where it is below `short`, else in 16 or 32 bits after `long` or the head that follows it. */
function putLength(length: number, head: number, short: number, long: number): void {
  room(5);
  if (length < short) out[end++] = head | length;
  else if (length < 0x10000) {
    out[end++] = long;
    end = out.writeUInt16BE(length, end);
  } else {
    out[end++] = long + 1;
    end = out.writeUInt32BE(length, end);
  }
}

function room(bytes: number): void {
  if (end + bytes <= out.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(out.length * 2, end + bytes));
  out.copy(grown, 0, 0, end);
  out = grown;
}
