import type { ClientId, ConversationId } from '../ids.ts';
import type { EntryKind } from './entry.ts';
import type { Answer } from './messages.ts';

/** The answer to a submission, with the client id that it had. */
export type Remembered = Answer & { readonly clientId: ClientId };

/** A place between two answers: how many are before it, of how many bytes, and the lsn of the last of them. */
export interface Place {
  readonly count: number;
  readonly bytes: number;
  readonly lsn: number;
}

export const START: Place = { count: 0, bytes: 0, lsn: 0 };

const NO_BYTES = Buffer.alloc(0);
/** For some five answers; then it doubles. */
const FIRST_BYTES = 512;
/** What msgpack calls an array of six, one of up to 65,535, a string of up to 255 bytes, an integer of 32 bits, a double. */
const [SIX, ARRAY_16, STRING_8, UINT_32, DOUBLE] = [0x96, 0xdc, 0xd9, 0xce, 0xcb] as const;
const UINT32_SPAN = 2 ** 32;
/** All but the text: the array, the strings' heads and three numbers. */
const HEADS_BYTES = 1 + 3 * 2 + 3 * 9;

/**
 * Answers one after the other, oldest first, each as the msgpack array `[clientId, conversation, kind, seq, lsn, at]` that
 * its row holds. As objects the thousands of a user who writes much would be promoted by V8's collector, one by one.
 */
export class PackedAnswers {
  private buffer: Buffer = NO_BYTES;
  private count = 0;
  private end = 0;
  private lsn = 0;

  get size(): number {
    return this.count;
  }

  /** What they take in memory. */
  get bytes(): number {
    return this.buffer.length;
  }

  /** The place after the last one. */
  get last(): Place {
    return { count: this.count, bytes: this.end, lsn: this.lsn };
  }

  add({ clientId, conversation, kind, seq, lsn, at }: Remembered): void {
    this.reserve(HEADS_BYTES + clientId.length + conversation.length + kind.length);
    this.buffer[this.end++] = SIX;
    this.putText(clientId);
    this.putText(conversation);
    this.putText(kind);
    this.putNumber(seq);
    this.putNumber(lsn);
    this.putNumber(at);
    this.count += 1;
    this.lsn = lsn;
  }

  /** The newest to this client id. */
  find(clientId: ClientId): Remembered | undefined {
    const { buffer, end } = this;
    let found = -1;
    for (let at = 0; at < end; at = nextAfter(buffer, at)) if (isText(buffer, at + 1, clientId)) found = at;
    return found < 0 ? undefined : read(buffer, found);
  }

  /** Shows each client id, and the place before it. */
  forEach(see: (clientId: ClientId, before: Place) => void): void {
    let before = START;
    while (before.bytes < this.end) {
      const { clientId, lsn } = read(this.buffer, before.bytes);
      see(clientId, before);
      before = { count: before.count + 1, bytes: nextAfter(this.buffer, before.bytes), lsn };
    }
  }

  /** Those between two places as the payload of a row. */
  row(from: Place, to: Place): Uint8Array {
    const count = to.count - from.count;
    const payload = Buffer.allocUnsafe(3 + to.bytes - from.bytes);
    payload[0] = ARRAY_16;
    payload.writeUInt16BE(count, 1);
    this.buffer.copy(payload, 3, from.bytes, to.bytes);
    return payload;
  }

  /** The newest `most` of these and of `newer`, which come after them. */
  with(newer: PackedAnswers, most: number): PackedAnswers {
    const all = new PackedAnswers();
    const skipped = Math.max(0, this.count + newer.count - most);
    const [from, fromNewer] = [this.placeOf(skipped), newer.placeOf(Math.max(0, skipped - this.count))];
    all.buffer = Buffer.allocUnsafeSlow(this.end - from + newer.end - fromNewer);
    this.buffer.copy(all.buffer, 0, from, this.end);
    newer.buffer.copy(all.buffer, this.end - from, fromNewer, newer.end);
    all.end = all.buffer.length;
    all.count = this.count + newer.count - skipped;
    all.lsn = newer.count > 0 ? newer.lsn : this.lsn;
    return all;
  }

  /** Where the answer with this index begins; past the end: the end. */
  private placeOf(index: number): number {
    let at = 0;
    for (let passed = 0; passed < index && at < this.end; passed++) at = nextAfter(this.buffer, at);
    return at;
  }

  private reserve(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    // Not from the pool, of which a kept part keeps the whole.
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * this.buffer.length, this.end + bytes));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }

  /** All of these texts are of ASCII characters, at most 255. */
  private putText(text: string): void {
    const { buffer } = this;
    const { length } = text;
    if (length < 32) buffer[this.end++] = 0xa0 | length;
    else {
      buffer[this.end++] = STRING_8;
      buffer[this.end++] = length;
    }
    for (let i = 0; i < length; i++) buffer[this.end++] = text.charCodeAt(i);
  }

  /** A whole number, not negative. */
  private putNumber(value: number): void {
    if (value < UINT32_SPAN) {
      this.buffer[this.end] = UINT_32;
      this.end = this.buffer.writeUInt32BE(value, this.end + 1);
    } else {
      this.buffer[this.end] = DOUBLE;
      this.end = this.buffer.writeDoubleBE(value, this.end + 1);
    }
  }
}

const textLength = (buffer: Buffer, at: number): number =>
  buffer[at] === STRING_8 ? (buffer[at + 1] as number) : (buffer[at] as number) & 0x1f;
const textStart = (buffer: Buffer, at: number): number => (buffer[at] === STRING_8 ? at + 2 : at + 1);
const textEnd = (buffer: Buffer, at: number): number => textStart(buffer, at) + textLength(buffer, at);
const numberEnd = (buffer: Buffer, at: number): number => at + (buffer[at] === UINT_32 ? 5 : 9);

function nextAfter(buffer: Buffer, start: number): number {
  let at = start + 1;
  for (let text = 0; text < 3; text++) at = textEnd(buffer, at);
  for (let number = 0; number < 3; number++) at = numberEnd(buffer, at);
  return at;
}

function isText(buffer: Buffer, at: number, text: string): boolean {
  if (textLength(buffer, at) !== text.length) return false;
  const start = textStart(buffer, at);
  // Ids of one client mostly differ at the end.
  for (let i = text.length - 1; i >= 0; i--) if (buffer[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

function read(buffer: Buffer, start: number): Remembered {
  let at = start + 1;
  const text = (): string => {
    const from = textStart(buffer, at);
    at = textEnd(buffer, at);
    return buffer.toString('latin1', from, at);
  };
  const number = (): number => {
    const from = at + 1;
    const isWhole = buffer[at] === UINT_32;
    at = numberEnd(buffer, at);
    return isWhole ? buffer.readUInt32BE(from) : buffer.readDoubleBE(from);
  };
  const [clientId, conversation, kind] = [text() as ClientId, text() as ConversationId, text() as EntryKind];
  return { clientId, conversation, kind, seq: number(), lsn: number(), at: number() };
}
