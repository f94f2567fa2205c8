import type { LogName, Row, Table } from './store.ts';

/**
 * Keys as LevelDB sorts them, by bytes. A key is always valid UTF-8, so that it can be read back as a
 * string, which costs a quarter of what a Buffer does.
 *
 *     log row     space  of  0x00  last  epoch  last − first
 *     table row   space  of  0x00  key
 *
 * `space` is one letter. In `of` the bytes 0x00 and 0x01 are written as 0x01 0x01 and 0x01 0x02, so
 * that 0x00 ends it and owners sort as their own bytes do, whatever is a prefix of what. `key` comes last
 * and needs no escape. A number is the count of its 7-bit digits and then these, highest first: numbers
 * sort by value, and small ones take two bytes.
 *
 * A key is written anew each time, into the same bytes: 75 ns. To keep the beginnings of busy owners saves
 * 25 ns of these where the map of them is small, and costs more where it isn't.
 */
const SPACES: Readonly<Record<LogName | Table, string>> = {
  conversation: 'c',
  inbox: 'i',
  user: 'u',
  item: 't',
  list: 'l',
  answered: 'a',
  filter: 'f',
  host: 'h',
  member: 'm',
};

/** What the engine keeps for itself stands before every space. */
export const ENGINE_KEY = '!engine';

const OF_END = '\x00';
const AFTER_OF_END = '\x01';
/** A space, an owner of the most bytes that are all escaped, and either a key or three numbers. */
const SCRATCH_BYTES = 1024;
const DIGIT_SPAN = 128;
const LOW_DIGITS_SPAN = 2 ** 28;

const scratch = Buffer.alloc(SCRATCH_BYTES);
/** A view of each length is made once, because making one costs more than writing a key. */
const views: Uint8Array[] = [];
let end = 0;

const written = (): Uint8Array => {
  let view = views[end];
  if (view === undefined) {
    view = scratch.subarray(0, end);
    views[end] = view;
  }
  return view;
};

const escaped = (of: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these two are what is escaped
  of.replace(/[\x00\x01]/g, (char) => (char === '\x00' ? '\x01\x01' : '\x01\x02'));

// biome-ignore lint/suspicious/noControlCharactersInRegex: the reverse of the above
const unescaped = (of: string): string => of.replace(/\x01[\x01\x02]/g, (pair) => (pair === '\x01\x01' ? '\x00' : '\x01'));

/** ASCII is copied by hand: for what an id is long, that is faster than the call into native code. */
function putOf(of: string): void {
  const length = of.length;
  const start = end;
  for (let i = 0; i < length; i++) {
    const code = of.charCodeAt(i);
    if (code < 2 || code > 0x7f) {
      end = start + scratch.write(escaped(of), start);
      return;
    }
    scratch[start + i] = code;
  }
  end = start + length;
}

function putNumber(value: number): void {
  if (value < LOW_DIGITS_SPAN) {
    const digits = value === 0 ? 0 : value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : 4;
    scratch[end++] = digits;
    for (let shift = 7 * (digits - 1); shift >= 0; shift -= 7) scratch[end++] = (value >>> shift) & 0x7f;
    return;
  }
  let digits = 4;
  for (let rest = Math.floor(value / LOW_DIGITS_SPAN); rest > 0; rest = Math.floor(rest / DIGIT_SPAN)) digits += 1;
  scratch[end] = digits;
  let rest = value;
  for (let at = end + digits; at > end; at--) {
    scratch[at] = rest % DIGIT_SPAN;
    rest = Math.floor(rest / DIGIT_SPAN);
  }
  end += digits + 1;
}

function putStart(space: LogName | Table, of: string): void {
  scratch[0] = SPACES[space].charCodeAt(0);
  end = 1;
  putOf(of);
  scratch[end++] = 0;
}

/** The key of a log row. The bytes are the caller's until the next key is made. */
export function logKey(log: LogName, of: string, first: number, last: number, epoch: number): Uint8Array {
  putStart(log, of);
  putNumber(last);
  putNumber(epoch);
  putNumber(last - first);
  return written();
}

/** The key of a table's row. The bytes are the caller's until the next key is made. */
export function tableKey(table: Table, of: string, key: string): Uint8Array {
  putStart(table, of);
  end += scratch.write(key, end);
  return written();
}

/** The same key as text, for reads. */
export const tableKeyText = (table: Table, of: string, key: string): string => `${SPACES[table]}${escaped(of)}${OF_END}${key}`;

/** Where the rows of a log begin whose last position is at least `last`. */
export function logStart(log: LogName, of: string, last: number): string {
  putStart(log, of);
  putNumber(last);
  return scratch.toString('utf8', 0, end);
}

/** Where the rows of an owner end: before this key. */
export const ownerEnd = (space: LogName | Table, of: string): string => `${SPACES[space]}${escaped(of)}${AFTER_OF_END}`;

/** Where the rows of a space begin, and before which key they end. */
export const spaceStart = (space: LogName | Table): string => SPACES[space];
export const spaceEnd = (space: LogName | Table): string => String.fromCharCode(SPACES[space].charCodeAt(0) + 1);

export const ownerIn = (key: string): string => unescaped(key.slice(1, key.indexOf(OF_END)));

/** The log row that is stored as `payload` under `key`. */
export function logRow(key: string, payload: Uint8Array): Row {
  let at = key.indexOf(OF_END) + 1;
  const number = (): number => {
    let value = 0;
    for (let digits = key.charCodeAt(at++); digits > 0; digits--) value = value * DIGIT_SPAN + key.charCodeAt(at++);
    return value;
  };
  const last = number();
  const epoch = number();
  return { first: last - number(), last, key: '', epoch, payload };
}

/** A table's row stores its epoch before its payload, as a number is written in a key. */
export function tableValue(epoch: number, payload: Uint8Array): Uint8Array {
  end = 0;
  putNumber(epoch);
  const value = Buffer.allocUnsafe(end + payload.length);
  scratch.copy(value, 0, 0, end);
  value.set(payload, end);
  return value;
}

export function epochOf(value: Uint8Array): number {
  let epoch = 0;
  for (let at = 1; at <= (value[0] as number); at++) epoch = epoch * DIGIT_SPAN + (value[at] as number);
  return epoch;
}

/** The table's row that is stored as `value` under `key`. */
export const tableRow = (key: string, value: Uint8Array): Row => ({
  first: 0,
  last: 0,
  key: key.slice(key.indexOf(OF_END) + 1),
  epoch: epochOf(value),
  payload: value.subarray(1 + (value[0] as number)),
});
