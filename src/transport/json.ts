import { isUtf8 } from 'node:buffer';
import type { Entry } from '../actors/entry.ts';
import { Failure } from '../failure.ts';
import { type Codec, type FrameLimits, framesIn, Oversize, tooManyFrames, type WireFrame } from './codec.ts';
import { jsonOf } from './json-text.ts';

export const json: Codec = {
  subprotocol: 'parley.v1.json',
  binary: false,
  decode: framesOf,
  encode(frames) {
    const texts = frames.length === 1 ? textOf(frames[0] as WireFrame) : frames.map(textOf).join(',');
    return framesIn(frames) === 1 ? texts : `[${texts}]`;
  },
  rest() {
    if (texts.size > 0) texts.clear();
  },
};

function framesOf(message: Buffer, limits: FrameLimits): readonly unknown[] {
  let value: unknown;
  if (!isUtf8(message)) return [new Failure('bad-frame', 'the message must be UTF-8')];
  try {
    value = JSON.parse(message.toString('utf8'));
  } catch (thrown) {
    return [new Failure('bad-frame', 'the message must be JSON', { cause: thrown })];
  }
  if (!Array.isArray(value)) return [message.length > limits.frameBytesMax ? new Oversize(value as object) : value];
  if (value.length > limits.framesPerMessageMax) return [tooManyFrames(limits)];
  if (message.length <= limits.frameBytesMax) return value;
  return value.map((frame: unknown) => (bytesOf(frame) > limits.frameBytesMax ? new Oversize(frame as object) : frame));
}

function bytesOf(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    return Number.POSITIVE_INFINITY; // nested deeper than the stack is
  }
}

/** The texts of entries told in this turn, so that an entry for many sessions is written once. */
const texts = new Map<Entry, string>();

/** The entry's pairs, without braces. */
function entryText(entry: Entry): string {
  let text = texts.get(entry);
  if (text === undefined) {
    const { seq, from, at, kind, clientId } = entry;
    text = `"seq":${seq},"from":"${from}","at":${at},"kind":"${kind}","clientId":${JSON.stringify(clientId)},"body":${jsonOf(entry.packed, entry.bodyAt)}`;
    texts.set(entry, text);
  }
  return text;
}

function eventsText(entries: readonly Entry[], conversation: string, firstLsn: number, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) {
    if (i > from) text += ',';
    text += `{"type":"event","lsn":${firstLsn + i},"conversation":"${conversation}",${entryText(entries[i] as Entry)}}`;
  }
  return text;
}

const namesText = ({ id, clientId }: { readonly id: string; readonly clientId?: string }): string =>
  `"id":${JSON.stringify(id)}${clientId === undefined ? '' : `,"clientId":${JSON.stringify(clientId)}`}`;

/** A frame's text; of a run of events, all of theirs. */
function textOf(frame: WireFrame): string {
  switch (frame.type) {
    case 'events':
      return eventsText(frame.batch.entries, frame.conversation, frame.firstLsn, 0, frame.batch.entries.length);
    case 'some-events':
      return eventsText(frame.run.batch.entries, frame.run.conversation, frame.run.firstLsn, frame.from, frame.to);
    case 'page': {
      const entries = frame.entries.map((entry) => `{${entryText(entry)}}`).join(',');
      return `{"type":"page",${namesText(frame)},"conversation":"${frame.conversation}","entries":[${entries}],"more":${frame.more}}`;
    }
    case 'conversations': {
      const items = frame.items.map(({ last, ...rest }) => `${JSON.stringify(rest).slice(0, -1)},"last":{${entryText(last)}}}`).join(',');
      const next = frame.next === undefined ? '' : `,"next":${JSON.stringify(frame.next)}`;
      return `{"type":"conversations",${namesText(frame)},"items":[${items}]${next}}`;
    }
    default:
      return JSON.stringify(frame);
  }
}
