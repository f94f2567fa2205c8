import { isUtf8 } from 'node:buffer';
import { Failure } from '../failure.ts';
import { type BodyLimits, badKey, badNumber, badText, badUnicode, checkBytes, notJson, PackedBody, tooDeep } from './body.ts';
import { type FrameLimits, Oversize, tooManyFrames } from './codec.ts';

/**
 * Reads client frames from msgpack. It makes no more of a message than frames have: strings, numbers, lists of
 * them, and a body that is checked where it lies and copied, so a `send` is neither taken apart nor put together
 * again; integers of 64 bits in it are made doubles first, in the bytes of the message. Anything else is stepped
 * over without recursion, whatever its depth.
 */

/** A value no field may have: binary, an extension, or a map where none belongs. */
const UNREADABLE: unique symbol = Symbol('unreadable');

const WORDS = [
  ...[
    'type',
    'id',
    'clientId',
    'token',
    'device',
    'cursor',
    'conversation',
    'body',
    'before',
    'after',
    'limit',
    'next',
    'seq',
    'users',
    'state',
  ],
  ...[
    'group',
    'title',
    'members',
    'user',
    'role',
    'until',
    'presence',
    'hello',
    'ack',
    'ping',
    'send',
    'history',
    'conversations',
    'read',
    'receipts',
  ],
  ...[
    'typing',
    'watch',
    'unwatch',
    'group.create',
    'group.add',
    'group.remove',
    'group.leave',
    'group.rename',
    'group.role',
    'group.info',
    'mute',
  ],
  ...['block', 'unblock', 'settings'],
];
const WORD_CHARS_MAX = 13;
const hash = (length: number, first: number, last: number): number => (length * 31 + first * 7 + last * 3) & 127;
const words: string[][] = Array.from({ length: 128 }, () => []);
for (const word of WORDS) words[hash(word.length, word.charCodeAt(0), word.charCodeAt(word.length - 1))]?.push(word);

const NOTHING = Buffer.alloc(0);
let bytes: Buffer = NOTHING;
let at = 0;
let end = 0;

const truncated = (): Failure => new Failure('bad-frame', 'the message ends inside a msgpack value');
const reserved = (): Failure => new Failure('bad-frame', 'byte 0xc1 is no msgpack');

function byte(): number {
  if (at >= end) throw truncated();
  return bytes[at++] as number;
}

function uint(size: number): number {
  if (size === 1) return byte();
  if (at + size > end) throw truncated();
  at += size;
  return bytes.readUIntBE(at - size, size);
}

function step(length: number): void {
  if (length > end - at) throw truncated();
  at += length;
}

/** The length of a string that begins with `head`, or -1 where it is no string. */
function textLength(head: number): number {
  if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
  if (head === 0xd9) return uint(1);
  if (head === 0xda) return uint(2);
  return head === 0xdb ? uint(4) : -1;
}

/** The pairs of a map that begins with `head`, or -1 where it is no map. */
function mapLength(head: number): number {
  if (head >= 0x80 && head <= 0x8f) return head & 0x0f;
  if (head === 0xde) return uint(2);
  return head === 0xdf ? uint(4) : -1;
}

function arrayLength(head: number): number {
  if (head >= 0x90 && head <= 0x9f) return head & 0x0f;
  if (head === 0xdc) return uint(2);
  return head === 0xdd ? uint(4) : -1;
}

/** How many bytes follow `head` and its length, of what is neither text nor map nor array. */
function restLength(head: number): number {
  if (head < 0x80 || head >= 0xe0 || head === 0xc0 || head === 0xc2 || head === 0xc3) return 0;
  if (head >= 0xcc && head <= 0xcf) return 1 << (head - 0xcc);
  if (head >= 0xd0 && head <= 0xd3) return 1 << (head - 0xd0);
  if (head === 0xca) return 4;
  if (head === 0xcb) return 8;
  if (head >= 0xc4 && head <= 0xc6) return uint(1 << (head - 0xc4));
  if (head >= 0xc7 && head <= 0xc9) return uint(1 << (head - 0xc7)) + 1;
  if (head >= 0xd4 && head <= 0xd8) return (1 << (head - 0xd4)) + 1;
  throw reserved();
}

/** Steps over one value, however deep. */
function skip(): void {
  for (let left = 1; left > 0; left--) {
    const head = byte();
    const bytesIn = textLength(head);
    const pairs = bytesIn < 0 ? mapLength(head) : -1;
    const items = bytesIn < 0 && pairs < 0 ? arrayLength(head) : -1;
    if (bytesIn >= 0) step(bytesIn);
    else if (pairs >= 0) left += 2 * pairs;
    else if (items >= 0) left += items;
    else step(restLength(head));
    if (left - 1 > end - at) throw truncated();
  }
}

function isAscii(from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  return bits < 0x80;
}

function text(length: number): string | typeof UNREADABLE {
  const from = at;
  step(length);
  if (isAscii(from, at)) return bytes.toString('latin1', from, at);
  return isUtf8(bytes.subarray(from, at)) ? bytes.toString('utf8', from, at) : UNREADABLE;
}

function wordAt(from: number, length: number): string | undefined {
  const candidates = words[hash(length, bytes[from] as number, bytes[from + length - 1] as number)] as string[];
  search: for (const word of candidates) {
    if (word.length !== length) continue;
    for (let i = 0; i < length; i++) if (word.charCodeAt(i) !== bytes[from + i]) continue search;
    return word;
  }
  return undefined;
}

/** The short text that comes next, if it is a word of this protocol. */
function word(): string | undefined {
  const from = at;
  const length = textLength(byte());
  if (length > 0 && length <= WORD_CHARS_MAX && length <= end - at) {
    const found = wordAt(at, length);
    if (found !== undefined) {
      at += length;
      return found;
    }
  }
  at = from;
  return undefined;
}

/** A number, whose `head` is read already; undefined where it is none. */
function number(head: number): number | undefined {
  if (head < 0x80) return head;
  if (head >= 0xe0) return head - 0x100;
  if (head < 0xca || head > 0xd3) return undefined;
  const size = restLength(head);
  if (size > end - at) throw truncated();
  at += size;
  switch (head) {
    case 0xca:
      return bytes.readFloatBE(at - 4);
    case 0xcb:
      return bytes.readDoubleBE(at - 8);
    case 0xcf:
      return bytes.readUInt32BE(at - 8) * 2 ** 32 + bytes.readUInt32BE(at - 4);
    case 0xd3:
      return bytes.readInt32BE(at - 8) * 2 ** 32 + bytes.readUInt32BE(at - 4);
    default:
      return head < 0xd0 ? bytes.readUIntBE(at - size, size) : bytes.readIntBE(at - size, size);
  }
}

function scalar(head: number): unknown {
  const length = textLength(head);
  if (length >= 0) return text(length);
  if (head === 0xc0) return null;
  if (head === 0xc2 || head === 0xc3) return head === 0xc3;
  const value = number(head);
  if (value !== undefined) return value;
  at--;
  skip();
  return UNREADABLE;
}

function field(): unknown {
  const head = byte();
  const length = arrayLength(head);
  if (length < 0) return scalar(head);
  if (length > end - at) throw truncated();
  const list: unknown[] = [];
  for (let i = 0; i < length; i++) list.push(scalar(byte()));
  return list;
}

/**
 * What was just read as an integer of 64 bits goes on as a double, which has as many bytes: many decoders make such
 * integers something else than a number.
 */
function asDouble(value: number): void {
  bytes[at - 9] = 0xcb;
  bytes.writeDoubleBE(value, at - 8);
}

/** Checks one value of a body, where it lies. */
function check(depth: number, limits: BodyLimits): void {
  const head = byte();
  const length = textLength(head);
  if (length >= 0) return checkText(length);
  if (head === 0xc0 || head === 0xc2 || head === 0xc3) return;
  const value = number(head);
  if (value !== undefined) {
    const wide = head === 0xcf || head === 0xd3;
    if (!Number.isFinite(value) || (wide && !Number.isSafeInteger(value))) throw badNumber();
    if (wide) asDouble(value);
    return;
  }
  const pairs = mapLength(head);
  const items = pairs < 0 ? arrayLength(head) : -1;
  if (pairs < 0 && items < 0) {
    if (head === 0xc1) throw reserved();
    throw notJson();
  }
  if (depth === 0) throw tooDeep(limits);
  for (let i = 0; i < items; i++) check(depth - 1, limits);
  for (let i = 0; i < pairs; i++) {
    checkKey();
    check(depth - 1, limits);
  }
}

function checkText(length: number): void {
  const from = at;
  step(length);
  if (!isAscii(from, at) && !isUtf8(bytes.subarray(from, at))) throw badUnicode();
}

/** True for the key `text`. */
function checkKey(): boolean {
  const length = textLength(byte());
  if (length < 0) throw notJson();
  checkText(length);
  if (length === 9 && bytes.toString('latin1', at - 9, at) === '__proto__') throw badKey();
  return length === 4 && bytes.readUInt32BE(at - 4) === 0x74657874;
}

/** The checked body in bytes of its own, or what is wrong with it. */
function body(limits: BodyLimits): unknown {
  const from = at;
  const pairs = mapLength(byte());
  if (pairs < 0) {
    at = from;
    return field();
  }
  try {
    for (let i = 0; i < pairs; i++) {
      if (checkKey() && textLength(peek()) < 0) throw badText();
      check(limits.bodyDepthMax - 1, limits);
    }
    const copy = Buffer.allocUnsafe(at - from);
    copy.set(bytes.subarray(from, at));
    checkBytes(copy, limits);
    return new PackedBody(copy);
  } catch (thrown) {
    const failure = Failure.from(thrown);
    if (failure.code === 'bad-frame' || failure.code === 'internal') throw failure;
    at = from;
    skip();
    return failure;
  }
}

/** The next head, for where only its kind is asked. */
function peek(): number {
  if (at >= end) throw truncated();
  const head = bytes[at] as number;
  return head >= 0xd9 && head <= 0xdb ? 0xa0 : head;
}

function frame(limits: FrameLimits): unknown {
  const from = at;
  const pairs = mapLength(byte());
  if (pairs < 0) {
    at = from;
    skip();
    return undefined;
  }
  if (pairs > end - at) throw truncated();
  const fields: Record<string, unknown> = {};
  for (let i = 0; i < pairs; i++) {
    const length = textLength(byte());
    if (length < 0) throw new Failure('bad-frame', 'the keys of a frame must be strings');
    const keyAt = at;
    step(length);
    const key = length <= WORD_CHARS_MAX && length > 0 ? wordAt(keyAt, length) : undefined;
    if (key === undefined) skip();
    else if (key === 'type') fields[key] = word() ?? field();
    else fields[key] = key === 'body' ? body(limits) : field();
  }
  return at - from > limits.frameBytesMax ? new Oversize(fields) : fields;
}

/** The frames of a message; of one that can't be read to its end, only the `Failure` that says why. */
export function readFrames(message: Buffer, limits: FrameLimits): readonly unknown[] {
  bytes = message;
  at = 0;
  end = message.length;
  const frames: unknown[] = [];
  try {
    let count = arrayLength(byte());
    if (count < 0) {
      count = 1;
      at = 0;
    }
    if (count > end - at) throw truncated();
    if (count > limits.framesPerMessageMax) throw tooManyFrames(limits);
    while (frames.length < count) frames.push(frame(limits));
    if (at < end) throw new Failure('bad-frame', 'bytes are left over after the frame; are msgpack records (useRecords) off?');
  } catch (thrown) {
    return [Failure.from(thrown)];
  } finally {
    bytes = NOTHING;
  }
  return frames;
}
