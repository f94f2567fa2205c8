import type { LogName, Row, Table, Write } from '../../src/storage/store.ts';

export type Append = Write & { readonly kind: 'append' };
export type Put = Write & { readonly kind: 'put' };

/** Bytes that tell which row they are of, every byte value among them, somewhere within a larger buffer. */
export function payload(text: string, length = 0): Uint8Array {
  const bytes = Buffer.from(`~~${text}`.padEnd(Math.max(length, text.length) + 2, '\x00\xff\x80'), 'latin1');
  return new Uint8Array(bytes.buffer, bytes.byteOffset + 2, bytes.length - 2);
}

export const textOf = (row: Row | undefined): string => (row === undefined ? 'none' : Buffer.from(row.payload).toString('latin1'));

export interface AppendOptions {
  readonly log?: LogName;
  readonly of?: string;
  readonly epoch?: number;
  readonly bytes?: Uint8Array;
}

export const append = (first: number, last = first, { log = 'inbox', of = 'alice', epoch = 1, bytes }: AppendOptions = {}): Append => ({
  kind: 'append',
  log,
  of,
  first,
  last,
  epoch,
  payload: bytes ?? payload(`${first}-${last} of epoch ${epoch}`),
});

export interface PutOptions {
  readonly table?: Table;
  readonly of?: string;
  readonly epoch?: number;
}

export const put = (key: string, text: string, { table = 'item', of = 'alice', epoch = 1 }: PutOptions = {}): Put => ({
  kind: 'put',
  table,
  of,
  key,
  epoch,
  payload: payload(text),
});

export const remove = (key: string, { table = 'item', of = 'alice' }: PutOptions = {}): Write => ({ kind: 'delete', table, of, key });

/** The rows as short texts, so that a difference can be read. */
export const positions = (rows: readonly Row[]): string[] => rows.map(({ first, last, epoch }) => `${first}-${last} e${epoch}`);
export const keysOf = (rows: readonly Row[]): string[] => rows.map(({ key }) => key);

/** Sorted as their bytes are, which isn't how JavaScript sorts strings. */
export const byBytes = (texts: readonly string[]): string[] => [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** Owners and keys that look alike to an engine that puts them together carelessly. */
export const ADVERSARIAL: readonly string[] = [
  '',
  '\x00',
  '\x00\x00',
  '\x00\x01',
  '\x00\xff',
  '\x01',
  '\x01\x01',
  '\x01\x02',
  '\x02',
  '\x7f',
  ' ',
  '!',
  '#team',
  '0',
  '1',
  '10',
  '9',
  'A',
  'a',
  'a\x00',
  'a\x00b',
  'a\x01',
  'a\x01\x01b',
  'a!',
  'a/b',
  'a:b',
  'a~',
  'ab',
  'aé',
  'a\u{10FFFF}',
  'b',
  'item',
  'é',
  '\u0080',
  '\u00ff',
  '\ufeff',
  '\ue000',
  '\uffff',
  '\u{10000}',
  '\u{10FFFF}',
  '__proto__',
  'constructor',
  'x'.repeat(199),
  'x'.repeat(200),
  '\x00'.repeat(200),
  '\x01'.repeat(200),
  '\u{10FFFF}'.repeat(50),
];
