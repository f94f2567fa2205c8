import { type Entry, FRAGMENT_AT, FRAGMENT_PAIRS, pack } from '../actors/entry.ts';
import type { ConversationItem, EventsFrame } from '../actors/messages.ts';
import { framesIn, type WireFrame } from './codec.ts';

/**
 * Writes server frames as msgpack into one buffer that is used again and again. Events and `sent` are nearly
 * all there is to write, so these are put down byte by byte: constant keys, integers in their widest form,
 * entries copied as they were packed.
 */

const OUT_BYTES_MIN = 65_536;
/** A buffer that had to grow beyond this is given back: it was for a large page. */
const OUT_BYTES_KEPT_MAX = 4_194_304;
/** The header of an array of up to 65,535 frames; room for it is left in front of the first frame. */
const HEADER_BYTES = 3;
const UINT32_SPAN = 2 ** 32;
/** More than the pairs of an event or a `sent` take, but for the entry: keys, numbers, and texts of 66 + 64 + 64 characters at most. */
const FRAME_BYTES = 320;

let out = Buffer.allocUnsafeSlow(OUT_BYTES_MIN);
let end = 0;

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const key = (name: string): Buffer => ascii(String.fromCharCode(0xa0 | name.length) + name);
const EVENT = ascii(`${String.fromCharCode(0x80 | (3 + FRAGMENT_PAIRS))}\xa4type\xa5event\xa3lsn`);
const SENT = ascii('\xa4type\xa4sent\xa8clientId');
const CONVERSATION = key('conversation');
const SEQ = key('seq');
const LSN = key('lsn');
const AT = key('at');
const ID = key('id');
const CLIENT_ID = key('clientId');
const DUPLICATE = ascii('\xa9duplicate\xc3');

/** The frames as one message; the result is the writer's own and good until the next call. */
export function writeFrames(frames: readonly WireFrame[]): Uint8Array {
  end = HEADER_BYTES;
  for (const frame of frames) putFrame(frame);
  const count = framesIn(frames);
  let start = HEADER_BYTES;
  if (count > 15) {
    start = 0;
    out[0] = 0xdc;
    out[1] = count >> 8;
    out[2] = count & 0xff;
  } else if (count !== 1) out[--start] = 0x90 | count;
  const message = out.subarray(start, end);
  if (out.length > OUT_BYTES_KEPT_MAX) out = Buffer.allocUnsafeSlow(OUT_BYTES_MIN);
  return message;
}

function putFrame(frame: WireFrame): void {
  switch (frame.type) {
    case 'events':
      return putEvents(frame, 0, frame.batch.entries.length);
    case 'some-events':
      return putEvents(frame.run, frame.from, frame.to);
    case 'sent':
      return putSent(frame);
    case 'page':
      putMap(frame, 5);
      putPair('type', frame.type);
      putNames(frame);
      putPair('conversation', frame.conversation);
      putKey('entries');
      putArray(frame.entries.length);
      for (const entry of frame.entries) putEntry(entry);
      return putPair('more', frame.more);
    case 'conversations':
      putMap(frame, frame.next === undefined ? 3 : 4);
      putPair('type', frame.type);
      putNames(frame);
      putKey('items');
      putArray(frame.items.length);
      for (const item of frame.items) putItem(item);
      return frame.next === undefined ? undefined : putPair('next', frame.next);
    default:
      return putPacked(frame);
  }
}

function putItem(item: ConversationItem): void {
  room(1);
  const head = end++;
  let pairs = 0;
  for (const name in item) {
    const value = item[name as keyof ConversationItem];
    if (value === undefined) continue;
    pairs += 1;
    if (name !== 'last') putPair(name, value);
    else {
      putKey(name);
      putEntry(item.last);
    }
  }
  out[head] = 0x80 | pairs;
}

function putEvents(run: EventsFrame, from: number, to: number): void {
  const { conversation, firstLsn, batch } = run;
  const head = EVENT.length + 9 + CONVERSATION.length + conversation.length + 2;
  for (let i = from; i < to; i++) {
    const { packed } = batch.entries[i] as Entry;
    room(head + packed.length);
    put(EVENT);
    putInteger(firstLsn + i);
    put(CONVERSATION);
    putText(conversation);
    putFragment(packed);
  }
}

function putSent(frame: Extract<WireFrame, { type: 'sent' }>): void {
  room(FRAME_BYTES);
  out[end++] = 0x86 + (frame.duplicate === true ? 1 : 0) + (frame.id === undefined ? 0 : 1);
  put(SENT);
  putText(frame.clientId);
  put(CONVERSATION);
  putText(frame.conversation);
  put(SEQ);
  putInteger(frame.seq);
  put(LSN);
  putInteger(frame.lsn);
  put(AT);
  putInteger(frame.at);
  if (frame.duplicate === true) put(DUPLICATE);
  if (frame.id !== undefined) {
    put(ID);
    putText(frame.id);
  }
}

function putEntry(entry: Entry): void {
  room(1 + entry.packed.length);
  out[end++] = 0x80 | FRAGMENT_PAIRS;
  putFragment(entry.packed);
}

/** The pairs of a packed entry. The length before them is overwritten by what stood there. */
function putFragment(packed: Uint8Array): void {
  const start = end - FRAGMENT_AT;
  const before = out.readInt32BE(start);
  out.set(packed, start);
  out.writeInt32BE(before, start);
  end = start + packed.length;
}

function putMap(frame: { readonly clientId?: string }, pairs: number): void {
  room(1);
  out[end++] = 0x80 | (frame.clientId === undefined ? pairs : pairs + 1);
}

function putNames(frame: { readonly id: string; readonly clientId?: string }): void {
  room(FRAME_BYTES);
  put(ID);
  putText(frame.id);
  if (frame.clientId === undefined) return;
  put(CLIENT_ID);
  putText(frame.clientId);
}

function putArray(length: number): void {
  room(3);
  out[end++] = 0xdc;
  out[end++] = length >> 8;
  out[end++] = length & 0xff;
}

function putKey(name: string): void {
  room(FRAME_BYTES);
  putText(name);
}

function putPair(name: string, value: unknown): void {
  putKey(name);
  putPacked(value);
}

function putPacked(value: unknown): void {
  const packed = pack(value);
  room(packed.length);
  out.set(packed, end);
  end += packed.length;
}

function put(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) out[end++] = bytes[i] as number;
}

/** ASCII, at most 255 characters. */
function putText(text: string): void {
  const { length } = text;
  if (length < 32) out[end++] = 0xa0 | length;
  else {
    out[end++] = 0xd9;
    out[end++] = length;
  }
  for (let i = 0; i < length; i++) out[end++] = text.charCodeAt(i);
}

/** Past 32 bits as a double, as `pack` does: many decoders make a uint64 something else than a number. */
function putInteger(value: number): void {
  if (value >= UINT32_SPAN) {
    out[end++] = 0xcb;
    end = out.writeDoubleBE(value, end);
    return;
  }
  out[end++] = 0xce;
  out[end++] = value >>> 24;
  out[end++] = value >>> 16;
  out[end++] = value >>> 8;
  out[end++] = value;
}

function room(bytes: number): void {
  if (end + bytes <= out.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(out.length * 2, end + bytes));
  out.copy(grown, 0, 0, end);
  out = grown;
}
