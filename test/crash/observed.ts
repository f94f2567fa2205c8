import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Record, Seen, Told } from './record.ts';

/** A record and where it stands, for evidence. */
export type Located<Kind extends Record['kind'] = Record['kind']> = Extract<Record, { kind: Kind }> & { readonly where: string };

export interface Device {
  readonly user: string;
  readonly name: string;
  readonly via: 'socket' | 'poll' | 'audit';
  readonly file: string;
  readonly records: readonly Located[];
}

/** An entry, who saw it and where. */
export interface Sighting {
  readonly user: string;
  readonly entry: Seen;
  readonly where: string;
}

/** Everything that was recorded, by the names that don't depend on who looks. */
export interface Observed {
  readonly devices: readonly Device[];
  readonly users: readonly string[];
  /** Every sighting of every entry: conversation → seq → sightings. */
  readonly conversations: ReadonlyMap<string, ReadonlyMap<number, readonly Sighting[]>>;
  /** user → the events of the inbox as read from its beginning. */
  readonly inboxes: ReadonlyMap<string, Inbox>;
  /** user → conversation → its entries as read from its pages. */
  readonly histories: ReadonlyMap<string, ReadonlyMap<string, History>>;
  /** `user client id` → all invocations. */
  readonly invocations: ReadonlyMap<string, readonly (Located<'invoke'> & { readonly device: Device })[]>;
}

export interface Inbox {
  readonly where: string;
  readonly events: readonly Located<'event'>[];
  readonly endLsn: number;
}

export interface History {
  readonly where: string;
  readonly entries: readonly Seen[];
}

/** The same name for a conversation whoever of its members says it. */
export function canonical(user: string, conversation: string): string {
  if (!conversation.startsWith('@')) return conversation;
  const peer = conversation.slice(1);
  return user < peer ? `${user}:${peer}` : `${peer}:${user}`;
}

export const sendKey = (user: string, clientId: string): string => `${user} ${clientId}`;

export function readRecords(directory: string): Observed {
  const files = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
  return observe(files.sort().map((name) => ({ name, lines: readFileSync(join(directory, name), 'utf8').split('\n') })));
}

export function observe(files: readonly { readonly name: string; readonly lines: readonly string[] }[]): Observed {
  const devices = files.map(({ name, lines }) => readDevice(name, lines));
  const conversations = new Map<string, Map<number, Sighting[]>>();
  const inboxes = new Map<string, Inbox>();
  const histories = new Map<string, Map<string, History>>();
  const invocations = new Map<string, (Located<'invoke'> & { readonly device: Device })[]>();

  const sight = (user: string, conversation: string, entry: Seen, where: string): void => {
    const of = getOrAdd(conversations, canonical(user, conversation), () => new Map<number, Sighting[]>());
    getOrAdd(of, entry.seq, () => []).push({ user, entry, where });
  };

  for (const device of devices) {
    const { user } = device;
    for (const record of device.records) {
      if (record.kind === 'event' || record.kind === 'took') sight(user, record.conversation, record, record.where);
      else if (record.kind === 'invoke') getOrAdd(invocations, sendKey(user, record.clientId), () => []).push({ ...record, device });
      else if (record.kind === 'history') {
        for (const entry of record.entries) sight(user, record.conversation, entry, record.where);
        getOrAdd(histories, user, () => new Map<string, History>()).set(canonical(user, record.conversation), record);
      } else if (record.kind === 'inbox-end') {
        const events = device.records.filter((other) => other.kind === 'event');
        inboxes.set(user, { where: record.where, events, endLsn: record.lsn });
      }
    }
  }
  return { devices, users: [...new Set(devices.map((device) => device.user))], conversations, inboxes, histories, invocations };
}

function readDevice(file: string, lines: readonly string[]): Device {
  const records: Located[] = [];
  for (const [index, line] of lines.entries()) {
    if (line !== '') records.push({ ...(JSON.parse(line) as Record), where: `${file}:${index + 1}` });
  }
  const head = records[0];
  if (head?.kind !== 'device') throw new Error(`${file} doesn't say which device it is of`);
  return { user: head.user, name: head.device, via: head.via, file, records };
}

export function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** The events of a device, by lsn, wherever they came from. */
export const toldOf = (device: Device): readonly (Told & { readonly where: string })[] =>
  device.records.filter((record) => record.kind === 'event' || record.kind === 'took');
