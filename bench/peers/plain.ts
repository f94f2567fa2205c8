import uWS from 'uWebSockets.js';
import { rmSync } from 'node:fs';
import { Packr, unpack } from 'msgpackr';
import { batchOf, type Entry, FRAGMENT_AT, pack, packEntry, unpackEntries } from '../../src/actors/entry.ts';
import { inboxRows } from '../../src/actors/inbox.ts';
import type { ClientId, UserId } from '../../src/ids.ts';
import { conversationNamed, nameFor } from '../../src/ids.ts';
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
  user: string;
  socket: uWS.WebSocket<Connection>;
  out: Uint8Array[];
}

type Frame = { readonly type: string } & Readonly<Record<string, unknown>>;

const data = process.argv[2] as string;
const store = await openBenchStore(data);
const packr = new Packr({ useRecords: false, variableMapSize: true });
const connected = new Map<string, Connection>();
const lsns = new Map<string, number>();
const seqs = new Map<string, number>();
const answered = new Map<string, { readonly seq: number; readonly lsn: number; readonly at: number }>();
const groups = new Map<string, readonly string[]>();
const waiting = new Set<Connection>();

const nextIn = (counts: Map<string, number>, of: string): number => {
  const next = (counts.get(of) ?? 0) + 1;
  counts.set(of, next);
  return next;
};

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
function eventFrame(lsn: number, conversation: string, entry: Entry): Uint8Array {
  const head = packr.pack({ type: 'event', conversation });
  const frame = Buffer.allocUnsafe(head.length + 9 + entry.packed.length - FRAGMENT_AT);
  frame.set(head);
  frame[0] = 0x89;
  frame.write('\xa3lsn\xce', head.length, 'latin1');
  frame.writeUInt32BE(lsn, head.length + 5);
  frame.set(entry.packed.subarray(FRAGMENT_AT), head.length + 9);
  return frame;
}

async function send(from: Connection, frame: Frame): Promise<void> {
  const name = frame['conversation'] as string;
  const clientId = frame['clientId'] as ClientId;
  const me = from.user as UserId;
  const key = `${me} ${clientId}`;
  const before = answered.get(key);
  if (before !== undefined) return tell(from, packr.pack({ type: 'sent', clientId, conversation: name, ...before, duplicate: true }));
  const conversation = conversationNamed(name, me);
  if (conversation === undefined) return;
  const members = groups.get(conversation) ?? [...new Set([me, name.slice(1)])];
  const seq = nextIn(seqs, conversation);
  const at = Date.now();
  const entry = packEntry(seq, me, at, 'message', clientId, pack(frame['body']));
  const batch = batchOf(conversation, [entry]);
  const writes: Write[] = [
    { kind: 'append', log: 'conversation', of: conversation, first: seq, last: seq, epoch: 1, payload: entry.packed },
  ];
  const told = members.map((member) => ({ member, lsn: nextIn(lsns, member) }));
  for (const { member, lsn } of told)
    writes.push(...inboxRows(member as UserId, [{ batch, firstLsn: lsn, starts: false, summary: undefined }], 1));
  await store.write(writes);
  for (const { member, lsn } of told) {
    if (member === me) {
      answered.set(key, { seq, lsn, at });
      tell(from, packr.pack({ type: 'sent', clientId, conversation: name, seq, lsn, at }));
    } else tell(connected.get(member), eventFrame(lsn, nameFor(conversation, member as UserId), entry));
  }
}

async function history(from: Connection, frame: Frame): Promise<void> {
  const name = frame['conversation'] as string;
  const limit = frame['limit'] as number;
  const before = frame['before'] as number | undefined;
  const of = conversationNamed(name, from.user as UserId) as string;
  const rows = await store.read({ kind: 'backward', log: 'conversation', of, limit, ...(before === undefined ? {} : { before }) });
  const entries = rows
    .flatMap((row) => unpackEntries(row.payload))
    .reverse()
    .map((entry) => ({ ...(unpack(Buffer.concat([Buffer.of(0x86), entry.packed.subarray(FRAGMENT_AT)])) as object) }));
  tell(from, packr.pack({ type: 'page', id: frame['id'], conversation: name, entries, more: true }));
}

function handle(from: Connection, frame: Frame): void {
  switch (frame.type) {
    case 'hello': {
      const claims = (frame['token'] as string).split('.')[1] as string;
      from.user = (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { sub: string }).sub;
      connected.set(from.user, from);
      tell(
        from,
        packr.pack({ type: 'welcome', user: from.user, device: frame['device'], cursor: lsns.get(from.user) ?? 0, at: Date.now() }),
      );
      break;
    }
    case 'send':
      void send(from, frame);
      break;
    case 'history':
      void history(from, frame);
      break;
    case 'group.create':
      groups.set(`#${frame['group'] as string}`, [from.user, ...(frame['members'] as string[])]);
      tell(
        from,
        packr.pack({
          type: 'sent',
          clientId: frame['clientId'],
          conversation: `#${frame['group'] as string}`,
          seq: 0,
          lsn: 0,
          at: Date.now(),
        }),
      );
      break;
  }
}

uWS
  .App()
  .ws<Connection>('/v1/ws', {
    idleTimeout: 120,
    maxPayloadLength: 1024 * 1024,
    upgrade: (response, request, context) =>
      response.upgrade(
        { user: '', out: [] } as unknown as Connection,
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
      if (connected.get(connection.user) === connection) connected.delete(connection.user);
    },
  })
  .listen('127.0.0.1', 0, (listening) => {
    if (!listening) throw new Error('no port to listen on');
    ready(uWS.us_socket_local_port(listening));
  });
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
