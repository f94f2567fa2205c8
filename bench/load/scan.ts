import { NUMBER_DIGITS, numberIn } from './template.ts';

/**
 * Reads of a server's msgpack frames only what a load needs to know. Nothing is built: the last frame's
 * figures stand in the fields until the next call.
 */
export class FrameScan {
  type: FrameType = 'other';
  lsn = 0;
  cursor = 0;
  /** The number of the message: from the client id of a `sent`, from the text of an `event`; -1 if there is none. */
  sentNumber = -1;
  eventNumber = -1;
  /** Of an `error`: nothing was stored, and the message may be sent again. */
  refused = false;
  /** How many entries or items an answer holds. */
  items = 0;

  /** Scans the frame that begins at `at`; answers where the next begins. */
  frame(bytes: Buffer, at: number): number {
    this.type = 'other';
    this.sentNumber = -1;
    this.eventNumber = -1;
    this.items = 0;
    this.refused = false;
    let pairs = mapPairs(bytes, at);
    let offset = headEnd(bytes, at);
    for (; pairs > 0; pairs--) {
      const length = (bytes[offset] as number) & 31;
      const key = (length << 8) | (bytes[offset + 1] as number);
      offset += 1 + length;
      offset = this.#value(key, bytes, offset);
    }
    return offset;
  }

  #value(key: number, bytes: Buffer, at: number): number {
    switch (key) {
      case TYPE:
        this.type = typeAt(bytes, at);
        break;
      case LSN:
        this.lsn = integerAt(bytes, at);
        break;
      case CURSOR:
        this.cursor = integerAt(bytes, at);
        break;
      case CODE:
        this.refused = REFUSALS.has(typeKeyAt(bytes, at));
        break;
      case CLIENT_ID:
        this.sentNumber = numberIn(bytes, skip(bytes, at) - NUMBER_DIGITS);
        break;
      case BODY:
        this.eventNumber = textNumber(bytes, at);
        break;
      case ENTRIES:
      case ITEMS:
        this.items = arrayItems(bytes, at);
        break;
    }
    return skip(bytes, at);
  }
}

export type FrameType = 'sent' | 'event' | 'welcome' | 'page' | 'conversations' | 'error' | 'reset' | 'other';

/** A key is told by its length and first letter. */
const key = (name: string): number => (name.length << 8) | name.charCodeAt(0);
const TYPE = key('type');
const LSN = key('lsn');
const CURSOR = key('cursor');
const CODE = key('code');
const CLIENT_ID = key('clientId');
const BODY = key('body');
const ENTRIES = key('entries');
const ITEMS = key('items');

/** A type is told by its length and first two letters. */
const typeKey = (name: string): number => (name.length << 16) | (name.charCodeAt(0) << 8) | name.charCodeAt(1);
const SENT = typeKey('sent');
const EVENT = typeKey('event');
const WELCOME = typeKey('welcome');
const PAGE = typeKey('page');
const CONVERSATIONS = typeKey('conversations');
const ERROR = typeKey('error');
const RESET = typeKey('reset');

const REFUSALS: ReadonlySet<number> = new Set(['overloaded', 'rate-limited', 'unavailable'].map(typeKey));

const typeKeyAt = (bytes: Buffer, at: number): number =>
  (((bytes[at] as number) & 31) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);

function typeAt(bytes: Buffer, at: number): FrameType {
  switch (typeKeyAt(bytes, at)) {
    case SENT:
      return 'sent';
    case EVENT:
      return 'event';
    case WELCOME:
      return 'welcome';
    case PAGE:
      return 'page';
    case CONVERSATIONS:
      return 'conversations';
    case ERROR:
      return 'error';
    case RESET:
      return 'reset';
    default:
      return 'other';
  }
}

/** The number that a body's text begins with. */
function textNumber(bytes: Buffer, at: number): number {
  const head = bytes[at] as number;
  if (head >> 4 !== 8 && head !== 0xde) return -1;
  const text = headEnd(bytes, at);
  if (bytes[text] !== 0xa4 || bytes[text + 1] !== 0x74) return -1;
  return numberIn(bytes, headEnd(bytes, text + 5));
}

function integerAt(bytes: Buffer, at: number): number {
  const head = bytes[at] as number;
  if (head < 0x80) return head;
  if (head === 0xcc) return bytes[at + 1] as number;
  if (head === 0xcd) return bytes.readUInt16BE(at + 1);
  if (head === 0xce) return bytes.readUInt32BE(at + 1);
  if (head === 0xcf || head === 0xd3) return bytes.readUInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5);
  if (head === 0xcb) return bytes.readDoubleBE(at + 1);
  throw new Error(`no integer begins with 0x${head.toString(16)}`);
}

function mapPairs(bytes: Buffer, at: number): number {
  const head = bytes[at] as number;
  if (head >> 4 === 8) return head & 15;
  if (head === 0xde) return bytes.readUInt16BE(at + 1);
  if (head === 0xdf) return bytes.readUInt32BE(at + 1);
  throw new Error(`no frame begins with 0x${head.toString(16)}`);
}

/** The number of items of the array at `at`, or -1 where there is none. */
export function arrayItems(bytes: Buffer, at: number): number {
  const head = bytes[at] as number;
  if (head >> 4 === 9) return head & 15;
  if (head === 0xdc) return bytes.readUInt16BE(at + 1);
  if (head === 0xdd) return bytes.readUInt32BE(at + 1);
  return -1;
}

/** Where what a map's, array's or string's head announces begins. */
export function headEnd(bytes: Buffer, at: number): number {
  const head = bytes[at] as number;
  if (head < 0xc0) return at + 1;
  if (head === 0xd9) return at + 2;
  return head === 0xda || head === 0xdc || head === 0xde ? at + 3 : at + 5;
}

/** Where the value after the one at `at` begins. */
function skip(bytes: Buffer, at: number): number {
  let offset = at;
  for (let values = 1; values > 0; values--) {
    const head = bytes[offset] as number;
    if (head < 0x80 || head >= 0xe0) offset++;
    else if (head < 0x90) {
      values += (head & 15) * 2;
      offset++;
    } else if (head < 0xa0) {
      values += head & 15;
      offset++;
    } else if (head < 0xc0) offset += 1 + (head & 31);
    else {
      switch (head) {
        case 0xc0:
        case 0xc2:
        case 0xc3:
          offset++;
          break;
        case 0xcc:
        case 0xd0:
          offset += 2;
          break;
        case 0xcd:
        case 0xd1:
          offset += 3;
          break;
        case 0xca:
        case 0xce:
        case 0xd2:
          offset += 5;
          break;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          offset += 9;
          break;
        case 0xc4:
        case 0xd9:
          offset += 2 + (bytes[offset + 1] as number);
          break;
        case 0xc5:
        case 0xda:
          offset += 3 + bytes.readUInt16BE(offset + 1);
          break;
        case 0xc6:
        case 0xdb:
          offset += 5 + bytes.readUInt32BE(offset + 1);
          break;
        case 0xdc:
          values += bytes.readUInt16BE(offset + 1);
          offset += 3;
          break;
        case 0xde:
          values += bytes.readUInt16BE(offset + 1) * 2;
          offset += 3;
          break;
        case 0xdd:
          values += bytes.readUInt32BE(offset + 1);
          offset += 5;
          break;
        case 0xdf:
          values += bytes.readUInt32BE(offset + 1) * 2;
          offset += 5;
          break;
        default:
          throw new Error(`no value of a frame begins with 0x${head.toString(16)}`);
      }
    }
  }
  return offset;
}
