import { Packr, Unpackr } from 'msgpackr';
import { assert } from '../assert.ts';
import type { ClientId, ConversationId, UserId } from '../ids.ts';

export type EntryKind = 'message' | 'created' | 'added' | 'removed' | 'left' | 'renamed' | 'role';

/**
 * One line of a conversation's log. `packed` is what is stored of it and, from byte `FRAGMENT_AT` on, what
 * goes on the msgpack wire: a 4-byte big-endian length, then that many bytes of msgpack, the six pairs
 * `seq from at kind clientId body` of a map without its header. So a message is encoded once and copied
 * everywhere.
 */
export interface Entry {
  readonly seq: number;
  readonly from: UserId;
  readonly at: number;
  readonly kind: EntryKind;
  readonly clientId: ClientId;
  readonly packed: Uint8Array;
  /** Where in `packed` the body begins; it goes on to the end. */
  readonly bodyAt: number;
}

/** Consecutive entries of one conversation; shared by everyone who stores or sends them. */
export interface Batch {
  readonly conversation: ConversationId;
  readonly entries: readonly Entry[];
  /** The entries' `packed`, one after the other. */
  readonly packed: Uint8Array;
}

export const FRAGMENT_AT = 4;
/** The number of key and value pairs in a packed entry. */
export const FRAGMENT_PAIRS = 6;

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** Packs anything made of JSON values as plain msgpack. The result is the caller's own. */
export const pack = (value: unknown): Uint8Array => packr.pack(value);
export const unpack = (bytes: Uint8Array): unknown => unpackr.unpack(bytes);

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const SEQ = ascii('\xa3seq');
const FROM = ascii('\xa4from');
/** Times are doubles, as `pack` writes them: many decoders make a uint64 something else than a number. */
const AT = ascii('\xa2at\xcb');
const KIND = ascii('\xa4kind');
const CLIENT_ID = ascii('\xa8clientId');
const BODY = ascii('\xa4body');
const KEYS_BYTES = SEQ.length + FROM.length + AT.length + KIND.length + CLIENT_ID.length + BODY.length;
const UINT32_SPAN = 2 ** 32;

let out: Buffer = Buffer.alloc(0);
let end = 0;

function putBytes(bytes: Uint8Array): void {
  if (bytes.length > 48) {
    out.set(bytes, end);
    end += bytes.length;
  } else for (let i = 0; i < bytes.length; i++) out[end++] = bytes[i] as number;
}

/** A string of ASCII characters, at most 255 of them. */
function putAscii(text: string): void {
  const length = text.length;
  if (length < 32) out[end++] = 0xa0 | length;
  else {
    out[end++] = 0xd9;
    out[end++] = length;
  }
  for (let i = 0; i < length; i++) out[end++] = text.charCodeAt(i);
}

const asciiBytes = (text: string): number => text.length + (text.length < 32 ? 1 : 2);

export function packEntry(seq: number, from: UserId, at: number, kind: EntryKind, clientId: ClientId, body: Uint8Array): Entry {
  const wide = seq >= UINT32_SPAN;
  const bytes = FRAGMENT_AT + KEYS_BYTES + (wide ? 9 : 5) + 8 + asciiBytes(from) + asciiBytes(kind) + asciiBytes(clientId) + body.length;
  out = Buffer.allocUnsafe(bytes);
  out.writeUInt32BE(bytes - FRAGMENT_AT, 0);
  end = FRAGMENT_AT;
  putBytes(SEQ);
  if (wide) {
    out[end++] = 0xcf;
    end = out.writeUInt32BE(Math.floor(seq / UINT32_SPAN), end);
  } else out[end++] = 0xce;
  end = out.writeUInt32BE(seq % UINT32_SPAN, end);
  putBytes(FROM);
  putAscii(from);
  putBytes(AT);
  end = out.writeDoubleBE(at, end);
  putBytes(KIND);
  putAscii(kind);
  putBytes(CLIENT_ID);
  putAscii(clientId);
  putBytes(BODY);
  const bodyAt = end;
  putBytes(body);
  assert(end === bytes, 'a packed entry has the length it was given');
  return { seq, from, at, kind, clientId, packed: out, bodyAt };
}

/** The entries with these seqs in the payloads of a conversation's rows, in order. */
export function entriesOf(rows: readonly { readonly payload: Uint8Array }[], from: number, through: number): Entry[] {
  const entries: Entry[] = [];
  for (const { payload } of rows) {
    for (const entry of unpackEntries(payload)) if (entry.seq >= from && entry.seq <= through) entries.push(entry);
  }
  return entries;
}

/** The entries of a stored payload, from `offset` on: what `packed` of a batch holds. */
export function unpackEntries(payload: Uint8Array, offset = 0, count = Number.POSITIVE_INFINITY): Entry[] {
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const entries: Entry[] = [];
  for (let start = offset; start < view.length && entries.length < count; ) {
    const next = start + FRAGMENT_AT + view.readUInt32BE(start);
    entries.push(new StoredEntry(view.subarray(start, next)));
    start = next;
  }
  return entries;
}

/** How many entries a payload has. */
export function countEntries(payload: Uint8Array): number {
  let count = 0;
  for (let start = 0; start < payload.length; start = entryEnd(payload, start)) count += 1;
  return count;
}

/** The last entry of a payload that has one. */
export function lastEntry(payload: Uint8Array): Uint8Array {
  let start = 0;
  for (let end = entryEnd(payload, 0); end < payload.length; end = entryEnd(payload, end)) start = end;
  return start === 0 ? payload : payload.subarray(start);
}

/** By hand, since what is stored may be no `Buffer`. */
const entryEnd = (bytes: Uint8Array, start: number): number =>
  start +
  FRAGMENT_AT +
  (((bytes[start] as number) << 24) |
    ((bytes[start + 1] as number) << 16) |
    ((bytes[start + 2] as number) << 8) |
    (bytes[start + 3] as number));

/** Where `seq` ends in what `bytes` hold from `start` on. */
const seqEnd = (bytes: Buffer, start: number): number =>
  start + FRAGMENT_AT + SEQ.length + (bytes[start + FRAGMENT_AT + SEQ.length] === 0xcf ? 9 : 5);

function readSeq(bytes: Buffer, start: number): number {
  const at = start + FRAGMENT_AT + SEQ.length + 1;
  const low = bytes.readUInt32BE(seqEnd(bytes, start) - 4);
  return bytes[at - 1] === 0xcf ? bytes.readUInt32BE(at) * UINT32_SPAN + low : low;
}

/** One that was read from the store. Most go on to the wire as they are, so what it says is read when somebody asks. */
class StoredEntry implements Entry {
  readonly seq: number;
  readonly packed: Buffer;
  #said: Said | undefined;

  constructor(packed: Buffer) {
    this.seq = readSeq(packed, 0);
    this.packed = packed;
  }

  get from(): UserId {
    return this.#read().from;
  }

  get at(): number {
    return this.#read().at;
  }

  get kind(): EntryKind {
    return this.#read().kind;
  }

  get clientId(): ClientId {
    return this.#read().clientId;
  }

  get bodyAt(): number {
    return this.#read().bodyAt;
  }

  #read(): Said {
    this.#said ??= read(this.packed);
    return this.#said;
  }
}

type Said = Omit<Entry, 'seq' | 'packed'>;

function read(packed: Buffer): Said {
  let next = seqEnd(packed, 0) + FROM.length;
  const text = (): string => {
    const head = packed[next++] as number;
    const length = head === 0xd9 ? (packed[next++] as number) : head & 0x1f;
    next += length;
    return packed.toString('latin1', next - length, next);
  };
  const from = text() as UserId;
  next += AT.length + 8;
  const at = packed.readDoubleBE(next - 8);
  next += KIND.length;
  const kind = text() as EntryKind;
  next += CLIENT_ID.length;
  const clientId = text() as ClientId;
  return { from, at, kind, clientId, bodyAt: next + BODY.length };
}

/** The bytes of the packed body. */
export const packedBody = (entry: Entry): Uint8Array => entry.packed.subarray(entry.bodyAt);

/** The body as the object that was sent. */
export const bodyOf = (entry: Entry): Record<string, unknown> => unpack(packedBody(entry)) as Record<string, unknown>;

export function batchOf(conversation: ConversationId, entries: readonly Entry[]): Batch {
  const first = entries[0];
  assert(first !== undefined, 'a batch has an entry');
  if (entries.length === 1) return { conversation, entries, packed: first.packed };
  return { conversation, entries, packed: Buffer.concat(entries.map((entry) => entry.packed)) };
}
