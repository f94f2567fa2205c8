/**
 * The JSON text of a packed value, made without the value: keys stay what they are, `__proto__` too, and
 * nothing is built that is thrown away at once. The bytes were checked when they were packed.
 */
export function jsonOf(packed: Uint8Array, offset: number): string {
  bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  at = offset;
  return value();
}

let bytes: Buffer = Buffer.alloc(0);
let at = 0;

function value(): string {
  const head = bytes[at++] as number;
  if (head < 0x80) return String(head);
  if (head < 0x90) return object(head & 0x0f);
  if (head < 0xa0) return array(head & 0x0f);
  if (head < 0xc0) return text(head & 0x1f);
  if (head >= 0xe0) return String(head - 0x100);
  switch (head) {
    case 0xc0:
      return 'null';
    case 0xc2:
      return 'false';
    case 0xc3:
      return 'true';
    case 0xca:
      at += 4;
      return String(bytes.readFloatBE(at - 4));
    case 0xcb:
      at += 8;
      return String(bytes.readDoubleBE(at - 8));
    case 0xcc:
    case 0xcd:
    case 0xce:
      return String(uint(1 << (head - 0xcc)));
    case 0xcf:
      return String(uint(4) * 2 ** 32 + uint(4));
    case 0xd0:
    case 0xd1:
    case 0xd2:
      at += 1 << (head - 0xd0);
      return String(bytes.readIntBE(at - (1 << (head - 0xd0)), 1 << (head - 0xd0)));
    case 0xd3:
      at += 4;
      return String(bytes.readInt32BE(at - 4) * 2 ** 32 + uint(4));
    case 0xd9:
    case 0xda:
    case 0xdb:
      return text(uint(1 << (head - 0xd9)));
    case 0xdc:
    case 0xdd:
      return array(uint(2 << (head - 0xdc)));
    default:
      return object(uint(2 << (head - 0xde)));
  }
}

function uint(size: number): number {
  at += size;
  return bytes.readUIntBE(at - size, size);
}

function text(length: number): string {
  at += length;
  return JSON.stringify(bytes.toString('utf8', at - length, at));
}

function array(length: number): string {
  let out = '[';
  for (let i = 0; i < length; i++) out += i === 0 ? value() : `,${value()}`;
  return `${out}]`;
}

function object(length: number): string {
  let out = '{';
  for (let i = 0; i < length; i++) {
    const key = value();
    out += i === 0 ? `${key}:${value()}` : `,${key}:${value()}`;
  }
  return `${out}}`;
}
