import { pack } from '../actors/entry.ts';
import { Failure } from '../failure.ts';
import { badField, isWellFormed } from './fields.ts';

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

/** No UTF-16 unit takes more bytes of JSON: `\u0001`. */
export const JSON_BYTES_PER_UNIT = 6;
const JSON_BYTES_PER_NUMBER = 24;

export const tooDeep = (limits: BodyLimits): Failure =>
  new Failure('too-large', `body nests deeper than ${limits.bodyDepthMax} (bodyDepthMax)`);
export const tooManyBytes = (limits: BodyLimits): Failure =>
  new Failure('too-large', `body has more than ${limits.bodyBytesMax} bytes as JSON in UTF-8 (bodyBytesMax)`);
export const badText = (): Failure => badField('body.text', 'a string where it is there');
export const badKey = (): Failure => badField('body', 'free of the key __proto__, which too many decoders take for an order');
export const badUnicode = (): Failure => badField('body', 'valid Unicode, without lone surrogates');
export const badNumber = (): Failure => badField('body', 'free of NaN, infinity and integers past 2^53 - 1');
export const notJson = (): Failure => badField('body', 'made of JSON values alone: no binary, no extensions, string keys');

/** Checks a body (PROTOCOL 3.7) and packs it. */
export function packBody(body: unknown, limits: BodyLimits): Uint8Array {
  if (body instanceof PackedBody) return body.bytes;
  if (body instanceof Failure) throw body;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badField('body', 'an object');
  const { text } = body as { readonly text?: unknown };
  if (text !== undefined && typeof text !== 'string') throw badText();
  // The bound is cheap and nearly always enough; only what is near the limit is written out and counted.
  const bound = bytesBound(body, limits.bodyDepthMax, limits);
  if (bound > limits.bodyBytesMax && Buffer.byteLength(JSON.stringify(body)) > limits.bodyBytesMax) throw tooManyBytes(limits);
  return pack(body);
}

/** At least as many bytes as the value's JSON has. */
function bytesBound(value: unknown, depth: number, limits: BodyLimits): number {
  switch (typeof value) {
    case 'string':
      if (!isWellFormed(value)) throw badUnicode();
      return value.length * JSON_BYTES_PER_UNIT + 2;
    case 'number':
      if (!Number.isFinite(value)) throw badNumber();
      return JSON_BYTES_PER_NUMBER;
    case 'boolean':
      return 5;
    case 'object':
      break;
    default:
      throw notJson();
  }
  if (value === null) return 4;
  if (depth === 0) throw tooDeep(limits);
  let bytes = 2;
  if (Array.isArray(value)) {
    for (const item of value) bytes += bytesBound(item, depth - 1, limits) + 1;
    return bytes;
  }
  for (const key in value) {
    if (key === '__proto__') throw badKey();
    if (!isWellFormed(key)) throw badUnicode();
    bytes += key.length * JSON_BYTES_PER_UNIT + 4 + bytesBound((value as Record<string, unknown>)[key], depth - 1, limits);
  }
  return bytes;
}
