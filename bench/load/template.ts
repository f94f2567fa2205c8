import { MASK, maskedFrame } from './websocket.ts';

/** A message's number is written as this many decimal digits, wherever it stands. */
export const NUMBER_DIGITS = 8;
/** What stands in the place of a number while a template is made. */
export const NUMBER_MARK = '########';

/** A message encoded and masked once; only its number differs from one sending to the next. */
export interface Template {
  readonly bytes: Buffer;
  /** Where the number stands. */
  readonly numberAt: readonly number[];
  /** For each of those places, the mask that its first digit meets. */
  readonly maskAt: readonly number[];
}

export function templateOf(opcode: number, payload: Buffer): Template {
  const bytes = maskedFrame(opcode, payload);
  const head = bytes.length - payload.length;
  const numberAt: number[] = [];
  const maskAt: number[] = [];
  for (let at = payload.indexOf(NUMBER_MARK); at >= 0; at = payload.indexOf(NUMBER_MARK, at + NUMBER_DIGITS)) {
    numberAt.push(head + at);
    maskAt.push(at);
  }
  return { bytes, numberAt, maskAt };
}

/** Copies the template to `offset` of `out` with `number` in its places; answers where it ends. */
export function stamp(template: Template, number: number, out: Buffer, offset: number): number {
  const { bytes, numberAt, maskAt } = template;
  bytes.copy(out, offset);
  for (let place = 0; place < numberAt.length; place++) {
    const at = offset + (numberAt[place] as number);
    const mask = maskAt[place] as number;
    let left = number;
    for (let digit = NUMBER_DIGITS - 1; digit >= 0; digit--) {
      const rest = (left / 10) | 0;
      out[at + digit] = (48 + left - rest * 10) ^ (MASK[(mask + digit) & 3] as number);
      left = rest;
    }
  }
  return offset + bytes.length;
}

/** The number that stands at `at`, or -1. */
export function numberIn(bytes: Buffer, at: number): number {
  let number = 0;
  for (let digit = 0; digit < NUMBER_DIGITS; digit++) {
    const value = (bytes[at + digit] as number) - 48;
    if (!(value >= 0 && value <= 9)) return -1;
    number = number * 10 + value;
  }
  return number;
}

/** The text of a message whose body `{"text":…}` has 100 bytes: its number, then filling. */
export const TEXT_BYTES = 100 - '{"text":""}'.length;
export const MESSAGE_TEXT = NUMBER_MARK.padEnd(TEXT_BYTES, 'a message of one hundred bytes, ');
