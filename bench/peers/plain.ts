import uWS from 'uWebSockets.js';
import { rmSync } from 'node:fs';
import { Packr, unpack } from 'msgpackr';
import { batchOf, type Entry, FRAGMENT_AT, pack, packEntry, unpackEntries } from '../../src/actors/entry.ts';
import { inboxRows } from '../../src/actors/inbox.ts';
import { type ClientId, type ConversationId, conversationNamed, isGroup, nameFor, type UserId, usersOf } from '../../src/ids.ts';
import type { Write } from '../../src/storage/store.ts';
import { openBenchStore } from './open-store.ts';
import { ready } from './ready.ts';

/**
 * What the promise costs without actors: uWebSockets.js, msgpack and the same store with the same rows
 * per message, everything in one process's maps. It speaks as much of PROTOCOL.md as the loads do; it
 * believes any token, knows no roles, watermarks or presence, forgets its maps when it ends, and lets
 * its numbers be lost. What Parley is slower than this is what actors and the rest of the promise cost.
 */
interface Connection {
  person: Person;
  socket: uWS.WebSocket<Connection>;
  out: Uint8Array[];
}

interface Person {
  readonly name: UserId;
  lsn: number;
  connection: Connection | undefined;
  /** The answers to what this person sent, by client id. */
  readonly answers: Map<string, Uint8Array>;
  readonly talks: Map<string, Talk>;
}

interface Talk {
  readonly id: ConversationId;
  seq: number;
  readonly members: readonly Person[];
  /** For each member, the `event` frame up to its lsn. */
  readonly heads: readonly Uint8Array[];
}

type Frame = { readonly type: string } & Readonly<Record<string, unknown>>;

const data = process.argv[2] as string;
const store = await openBenchStore(data);
const packr = new Packr({ useRecords: false, variableMapSize: true });
const people = new Map<string, Person>();
const talks = new Map<ConversationId, Talk>();
const waiting = new Set<Connection>();

function personNamed(name: string): Person {
  let person = people.get(name);
  if (person === undefined) {
    person = { name: name as UserId, lsn: 0, connection: undefined, answers: new Map(), talks: new Map() };
    people.set(name, person);
  }
  return person;
}

function talkOf(id: ConversationId, members: readonly Person[]): Talk {
  let talk = talks.get(id);
  if (talk === undefined) {
    talk = { id, seq: 0, members, heads: members.map(({ name }) => packr.pack({ type: 'event', conversation: nameFor(id, name) })) };
    talks.set(id, talk);
  }
  return talk;
}

/** The conversation that somebody calls by this name. */
function talkNamed(name: string, me: Person): Talk | undefined {
  const known = me.talks.get(name);
  if (known !== undefined) return known;
  const id = conversationNamed(name, me.name);
  if (id === undefined) return undefined;
  const talk = isGroup(id) ? talks.get(id) : talkOf(id, [...new Set(usersOf(id).map(personNamed))]);
  if (talk !== undefined) me.talks.set(name, talk);
  return talk;
}

/** Frames that a turn produced for one socket go out as one array. */
function tell(connection: Connection | undefined, frame: Uint8Array): void {
  if (connection === undefined) return;
  connection.out.push(frame);
  if (waiting.size === 0) setImmediate(flush);
  waiting.add(connection);
}

function flush(): void {
  for (const { socket, out } of waiting) {
    const head = out.length < 16 ? Buffer.of(0x90 | out.length) : Buffer.of(0xdc, out.length >> 8, out.length & 255);
    socket.send(out.length === 1 ? (out[0] as Uint8Array) : Buffer.concat([head, ...out]), true);
    out.length = 0;
  }
  waiting.clear();
}

/** An `event` frame: two pairs and the lsn before the six that an entry is stored with. */
function eventFrame(head: Uint8Array, lsn: number, entry: Entry): Uint8Array {
  const frame = Buffer.allocUnsafe(head.length + 9 + entry.packed.length - FRAGMENT_AT);
  frame.set(head);
  frame[0] = 0x89;
  frame.write('\xa3lsn\xce', head.length, 'latin1');
  frame.writeUInt32BE(lsn, head.length + 5);
  frame.set(entry.packed.subarray(FRAGMENT_AT), head.length + 9);
  return frame;
}

function send(from: Connection, frame: Frame): void {
  const me = from.person;
  const clientId = frame['clientId'] as ClientId;
  const before = me.answers.get(clientId);
  if (before !== undefined) return tell(from, packr.pack({ ...unpack(before), duplicate: true }));
  const conversation = frame['conversation'] as string;
  const talk = talkNamed(conversation, me);
  if (talk === undefined) throw new Error(`there is no conversation ${conversation}`);
  const seq = ++talk.seq;
  const at = Date.now();
  const entry = packEntry(seq, me.name, at, 'message', clientId, pack(frame['body']));
  const batch = batchOf(talk.id, [entry]);
  const writes: Write[] = [{ kind: 'append', log: 'conversation', of: talk.id, first: seq, last: seq, epoch: 1, payload: entry.packed }];
  const lsns = talk.members.map((member) => {
    const lsn = ++member.lsn;
    writes.push(...inboxRows(member.name, [{ batch, firstLsn: lsn, starts: false, summary: undefined }], 1));
    return lsn;
  });
  void store.write(writes).then(() => {
    talk.members.forEach((member, index) => {
      const lsn = lsns[index] as number;
      if (member === me) {
        const sent = packr.pack({ type: 'sent', clientId, conversation, seq, lsn, at });
        me.answers.set(clientId, sent);
        tell(from, sent);
      } else tell(member.connection, eventFrame(talk.heads[index] as Uint8Array, lsn, entry));
    });
  });
}

async function history(from: Connection, frame: Frame): Promise<void> {
  const conversation = frame['conversation'] as string;
  const limit = frame['limit'] as number;
  const before = frame['before'] as number | undefined;
  const of = talkNamed(conversation, from.person)?.id ?? '';
  const rows = await store.read({ kind: 'backward', log: 'conversation', of, limit, ...(before === undefined ? {} : { before }) });
  const entries = rows.flatMap((row) => unpackEntries(row.payload)).reverse();
  const packed = entries.flatMap((entry) => [SIX_PAIRS, entry.packed.subarray(FRAGMENT_AT)]);
  const head = packr.pack({ type: 'page', id: frame['id'], conversation, more: true });
  head[0] = 0x85;
  tell(from, Buffer.concat([head, ENTRIES, Buffer.of(0xdc, entries.length >> 8, entries.length & 255), ...packed]));
}

const SIX_PAIRS = Buffer.of(0x86);
const ENTRIES = Buffer.from('\xa7entries', 'latin1');

function handle(from: Connection, frame: Frame): void {
  switch (frame.type) {
    case 'hello': {
      const claims = (frame['token'] as string).split('.')[1] as string;
      const person = personNamed((JSON.parse(Buffer.from(claims, 'base64url').toString()) as { sub: string }).sub);
      from.person = person;
      person.connection = from;
      tell(from, packr.pack({ type: 'welcome', user: person.name, device: frame['device'], cursor: person.lsn, at: Date.now() }));
      break;
    }
    case 'send':
      send(from, frame);
      break;
    case 'history':
      void history(from, frame);
      break;
    case 'group.create': {
      const group = `#${frame['group'] as string}`;
      talkOf(group as ConversationId, [from.person, ...(frame['members'] as string[]).map(personNamed)]);
      tell(from, packr.pack({ type: 'sent', clientId: frame['clientId'], conversation: group, seq: 0, lsn: 0, at: Date.now() }));
      break;
    }
  }
}

uWS
  .App()
  .ws<Connection>('/v1/ws', {
    idleTimeout: 120,
    maxPayloadLength: 1024 * 1024,
    upgrade: (response, request, context) =>
      response.upgrade(
        { out: [] } as unknown as Connection,
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        request.getHeader('sec-websocket-extensions'),
        context,
      ),
    open: (socket) => {
      socket.getUserData().socket = socket;
    },
    message: (socket, message) => {
      const frames = unpack(Buffer.from(message)) as Frame | readonly Frame[];
      for (const frame of Array.isArray(frames) ? frames : [frames]) handle(socket.getUserData(), frame as Frame);
    },
    close: (socket) => {
      const connection = socket.getUserData();
      waiting.delete(connection);
      if (connection.person?.connection === connection) connection.person.connection = undefined;
    },
  })
  .listen('127.0.0.1', 0, (listening) => {
    if (!listening) throw new Error('no port to listen on');
    ready(uWS.us_socket_local_port(listening));
  });
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
