import t from 'tap';
import { check, describe, observe } from './crash/check.ts';
import type { Record, Seen, Told } from './crash/record.ts';

type Files = Map<string, Record[]>;
type Via = 'socket' | 'poll';

interface Device {
  readonly user: string;
  readonly name: string;
  readonly via: Via;
  readonly records: Record[];
  cursor: number;
}

/** A server that keeps every promise, and devices that write down what they see of it. */
class World {
  readonly files: Files = new Map();
  readonly mutedUntil = new Map<string, number>();
  readonly #devices: Device[] = [];
  readonly #logs = new Map<string, Seen[]>();
  readonly #inboxes = new Map<string, Told[]>();
  readonly #members = new Map<string, Set<string>>();
  #clock = 1_000;

  device(user: string, name: string, via: Via = 'socket'): Device {
    const records: Record[] = [
      { kind: 'device', user, device: name, via },
      { kind: 'start', cursor: 0 },
    ];
    if (via === 'socket') records.push({ kind: 'hello', cursor: 0 }, { kind: 'welcome', cursor: 0 });
    const device = { user, name, via, records, cursor: 0 };
    this.files.set(`${user}.${name}.jsonl`, records);
    this.#devices.push(device);
    if (!this.#inboxes.has(user)) this.#inboxes.set(user, []);
    return device;
  }

  /** `device` sends; `answered: false` leaves it at the invocation. */
  send(device: Device, conversation: string, clientId: string, entry = 'message', body: object = { text: clientId }): void {
    device.records.push({ kind: 'invoke', clientId, conversation, entry, body }, { kind: 'wrote', clientId });
    const { at, seq, lsn } = this.store(device.user, conversation, clientId, entry, body, device);
    const sent = { clientId, conversation, seq, lsn, at };
    device.records.push({ kind: 'sent', ...sent });
    if (device.via === 'socket') this.#took(device, this.#inboxes.get(device.user)?.[lsn - 1] as Told);
    device.records.push({ kind: 'answer', outcome: 'sent', ...sent });
    if (device.via === 'poll') this.#poll(device);
  }

  /** Stores an entry, tells it to all devices but `by`. */
  store(
    from: string,
    conversation: string,
    clientId: string,
    entry: string,
    body: object,
    by?: Device,
  ): { at: number; seq: number; lsn: number } {
    const id = conversation.startsWith('@') ? [from, conversation.slice(1)].sort().join(':') : conversation;
    const log = this.#logs.get(id) ?? [];
    this.#logs.set(id, log);
    const members = this.#members.get(id) ?? new Set(id.split(':'));
    this.#members.set(id, members);
    if (entry === 'created') {
      members.clear();
      for (const user of (body as { members: string[] }).members) members.add(user);
    } else if (entry === 'added') for (const user of (body as { users: string[] }).users) members.add(user);
    const seen: Seen = { seq: log.length + 1, from, at: this.#clock++, entry, clientId, body };
    log.push(seen);
    for (const member of members) this.#deliver(member, member === from || id.startsWith('#') ? conversation : `@${from}`, seen, by);
    if (entry === 'removed') for (const user of (body as { users: string[] }).users) members.delete(user);
    if (entry === 'left') members.delete(from);
    return { at: seen.at, seq: seen.seq, lsn: this.#inboxes.get(from)?.length ?? 0 };
  }

  #deliver(user: string, conversation: string, seen: Seen, by: Device | undefined): void {
    const inbox = this.#inboxes.get(user) as Told[];
    const told: Told = { ...seen, lsn: inbox.length + 1, conversation };
    inbox.push(told);
    for (const device of this.#devices) {
      if (device.user !== user || device === by) continue;
      if (device.via === 'poll') this.#poll(device);
      else {
        device.records.push({ kind: 'event', ...told });
        this.#took(device, told);
      }
    }
  }

  #poll(device: Device): void {
    const news = this.#inboxes.get(device.user)?.slice(device.cursor) ?? [];
    device.records.push({ kind: 'polled', cursor: device.cursor });
    for (const told of news) device.records.push({ kind: 'event', ...told });
    for (const told of news) this.#took(device, told);
  }

  #took(device: Device, told: Told): void {
    device.records.push({ kind: 'took', ...told });
    device.cursor = told.lsn;
  }

  /** The connection breaks and `device` comes back with its cursor. */
  reconnect(device: Device): void {
    device.records.push(
      { kind: 'closed', code: 1006 },
      { kind: 'hello', cursor: device.cursor },
      { kind: 'welcome', cursor: device.cursor },
    );
  }

  /** The program of `device` starts anew with an older cursor, and is told again what came after. */
  restart(device: Device, cursor: number): void {
    device.records.push({ kind: 'start', cursor }, { kind: 'hello', cursor }, { kind: 'welcome', cursor });
    for (const told of this.#inboxes.get(device.user)?.slice(cursor) ?? []) {
      device.records.push({ kind: 'event', ...told });
      this.#took(device, told);
    }
  }

  /** Reads everything as each user and ends all records. */
  audit(): Files {
    for (const device of this.#devices) device.records.push({ kind: 'end' });
    for (const [user, inbox] of this.#inboxes) {
      const records: Record[] = [{ kind: 'device', user, device: 'audit', via: 'audit' }];
      const items = [];
      for (const [id, log] of this.#logs) {
        if (this.#members.get(id)?.has(user) !== true) continue;
        const conversation = id.startsWith('#') ? id : `@${id.split(':').find((other) => other !== user) ?? user}`;
        const firstSeq = id.startsWith('#') ? this.#joined(id, user) : 1;
        const last = log.at(-1) as Seen;
        records.push({ kind: 'history', conversation, entries: log.filter(({ seq }) => seq >= firstSeq) });
        const read = firstSeq - 1;
        const mutedUntil = this.mutedUntil.get(`${user} ${conversation}`);
        items.push({
          conversation,
          lastSeq: last.seq,
          last,
          read,
          unread: log.filter(({ seq, from }) => seq > read && from !== user).length,
          ...(mutedUntil === undefined ? {} : { mutedUntil }),
        });
      }
      records.push({ kind: 'listed', items }, { kind: 'hello', cursor: 0 }, { kind: 'welcome', cursor: 0 });
      for (const told of inbox) records.push({ kind: 'event', ...told });
      records.push({ kind: 'inbox-end', lsn: inbox.length }, { kind: 'end' });
      this.files.set(`${user}.audit.jsonl`, records);
    }
    return this.files;
  }

  #joined(id: string, user: string): number {
    const names = (body: object | undefined): string[] => Object.values(body ?? {}).flat() as string[];
    return this.#logs.get(id)?.findLast(({ entry, body }) => ['created', 'added'].includes(entry) && names(body).includes(user))?.seq ?? 1;
  }
}

/** Two pairs, a group that changes, a device that polls, reconnects, restarts, a refusal, a time-out, duplicates. */
function correct(): Files {
  const world = new World();
  const phone = world.device('alice', 'phone');
  const tablet = world.device('alice', 'tablet', 'poll');
  const bob = world.device('bob', 'phone');
  const carol = world.device('carol', 'phone');
  world.device('dave', 'phone');
  world.send(phone, '@bob', 'a1');
  world.send(bob, '@alice', 'b1');
  world.send(tablet, '@bob', 'a2');
  world.send(phone, '#team', 'a3', 'created', { title: 'Team', members: ['alice', 'bob', 'carol'] });
  for (let n = 1; n <= 4; n++) {
    world.send(bob, '#team', `bt${n}`);
    world.send(carol, '#team', `ct${n}`);
    world.send(phone, '@bob', `ap${n}`);
  }
  world.reconnect(phone);
  world.send(phone, '#team', 'a4', 'added', { users: ['dave'] });
  world.send(carol, '#team', 'ct5');
  world.send(phone, '#team', 'a5', 'removed', { users: ['dave'] });
  world.send(carol, '#team', 'ct6');
  world.send(phone, '#team', 'a6', 'added', { users: ['dave'] });
  world.restart(bob, 3);
  // refused once, then stored
  bob.records.push(
    { kind: 'invoke', clientId: 'b2', conversation: '@alice', entry: 'message', body: { text: 'b2' } },
    { kind: 'wrote', clientId: 'b2' },
    { kind: 'refused', clientId: 'b2', code: 'overloaded' },
  );
  world.send(bob, '@alice', 'b3');
  bob.records.push({ kind: 'answer', clientId: 'b2', outcome: 'error', code: 'overloaded' });
  // given up without an answer, and yet stored
  carol.records.push(
    { kind: 'invoke', clientId: 'c1', conversation: '@dave', entry: 'message', body: { text: 'c1' } },
    { kind: 'wrote', clientId: 'c1' },
  );
  world.store('carol', '@dave', 'c1', 'message', { text: 'c1' });
  carol.records.push({ kind: 'answer', clientId: 'c1', outcome: 'error', code: 'timeout' });
  // a duplicate, with the answer out of turn
  const first = phone.records.find((record) => record.kind === 'sent' && record.clientId === 'a1') as Extract<Record, { kind: 'sent' }>;
  phone.records.push(
    { kind: 'invoke', clientId: 'a1', conversation: '@bob', entry: 'message', body: { text: 'a1' } },
    { kind: 'wrote', clientId: 'a1' },
    { ...first, duplicate: true },
    { ...first, kind: 'answer', outcome: 'sent', duplicate: true },
  );
  world.send(carol, '#team', 'ct7');
  // muted for sure, and perhaps for longer
  phone.records.push(
    { kind: 'mute', id: 'm1', conversation: '#team', until: 5_000 },
    { kind: 'done', id: 'm1' },
    { kind: 'mute', id: 'm2', conversation: '#team', until: 6_000 },
    { kind: 'done', id: 'm2' },
    { kind: 'mute', id: 'm3', conversation: '#team', until: 7_000 },
  );
  world.mutedUntil.set('alice #team', 6_000);
  return world.audit();
}

const run = (files: Files) =>
  check(observe([...files].map(([name, records]) => ({ name, lines: records.map((record) => JSON.stringify(record)) }))));

type Find = (record: Record) => boolean;

/** The records of a file, to be changed in place; and the place of the first that fits. */
function place(files: Files, file: string, find: Find): { records: Record[]; at: number } {
  const records = files.get(`${file}.jsonl`) as Record[];
  const at = records.findIndex(find);
  if (at < 0) throw new Error(`${file} has no such record`);
  return { records, at };
}

const isEvent =
  (clientId: string): Find =>
  (record) =>
    record.kind === 'event' && record.clientId === clientId;
const isKind =
  (kind: Record['kind'], clientId?: string): Find =>
  (record) =>
    record.kind === kind && (clientId === undefined || ('clientId' in record && record.clientId === clientId));

function change(files: Files, file: string, find: Find, to: (record: Record) => readonly Record[]): void {
  const { records, at } = place(files, file, find);
  records.splice(at, 1, ...to(records[at] as Record));
}

/** Changes the pages that a user read of a conversation. */
function changePages(files: Files, user: string, conversation: string, to: (entries: readonly Seen[]) => readonly Seen[]): void {
  change(
    files,
    `${user}.audit`,
    (record) => record.kind === 'history' && record.conversation === conversation,
    (record) => [{ ...record, entries: to((record as Extract<Record, { kind: 'history' }>).entries) } as Record],
  );
}

/** Takes an event out of a user's inbox as if it had never come: everything after it has a lower lsn. */
function dropFromInbox(files: Files, user: string, clientId: string): void {
  const { records, at } = place(files, `${user}.audit`, isEvent(clientId));
  records.splice(at, 1);
  for (const [index, record] of records.entries()) {
    if (index >= at && record.kind === 'event') records[index] = { ...record, lsn: record.lsn - 1 };
    if (record.kind === 'inbox-end') records[index] = { ...record, lsn: record.lsn - 1 };
  }
}

t.test('a correct history, with reconnects, restarts, refusals, time-outs and duplicates, has no violation', async (t) => {
  const violations = run(correct());
  t.same(violations, []);
  t.match(describe(violations), /acked-is-stored: holds\n(.*\n)*same-order: holds/);
});

t.test('a correct history of one who says nothing has none', async (t) => {
  const world = new World();
  world.device('alice', 'phone');
  t.same(run(world.audit()), []);
});

interface Wrong {
  readonly how: string;
  readonly rule: string;
  readonly says: RegExp;
  readonly make: (files: Files) => void;
}

const wrong: readonly Wrong[] = [
  {
    how: 'an acknowledged message is lost from the conversation, for all',
    rule: 'acked-is-stored',
    says: /ap2 of alice was acknowledged and is 0 times in the conversation/,
    make(files) {
      for (const user of ['alice', 'bob'])
        changePages(files, user, user === 'alice' ? '@bob' : '@alice', (entries) => entries.filter(({ clientId }) => clientId !== 'ap2'));
    },
  },
  {
    how: 'an acknowledged message is absent from one member’s inbox',
    rule: 'acked-is-stored',
    says: /bt2 of bob was acknowledged and is 0 times in the inbox of carol/,
    make: (files) => dropFromInbox(files, 'carol', 'bt2'),
  },
  {
    how: 'an acknowledged message is absent from the pages of one member',
    rule: 'acked-is-stored',
    says: /ct3 of carol was acknowledged and is 0 times in the conversation as bob reads it/,
    make: (files) => changePages(files, 'bob', '#team', (entries) => entries.filter(({ clientId }) => clientId !== 'ct3')),
  },
  {
    how: 'the last acknowledged message is rolled back everywhere',
    rule: 'acked-is-stored',
    says: /ct7 of carol was acknowledged as event/,
    make(files) {
      for (const [name, records] of files) {
        const user = name.split('.')[0] as string;
        if (name.endsWith('.audit.jsonl') && records.some(isEvent('ct7'))) {
          dropFromInbox(files, user, 'ct7');
          changePages(files, user, '#team', (entries) => entries.filter(({ clientId }) => clientId !== 'ct7'));
        }
      }
    },
  },
  {
    how: 'a resend is answered with another position',
    rule: 'acked-is-stored',
    says: /a1 of alice was answered differently/,
    make: (files) =>
      change(
        files,
        'alice.phone',
        (record) => record.kind === 'sent' && record.duplicate === true,
        (record) => [{ ...record, seq: 2 } as Record],
      ),
  },
  {
    how: 'a message is stored with another body',
    rule: 'acked-is-stored',
    says: /a2 of alice was stored with another body/,
    make(files) {
      for (const [, records] of files) {
        for (const [index, record] of records.entries()) {
          const body = { text: 'something else' };
          if ((record.kind === 'event' || record.kind === 'took') && record.clientId === 'a2') records[index] = { ...record, body };
          if (record.kind === 'history') {
            records[index] = { ...record, entries: record.entries.map((entry) => (entry.clientId === 'a2' ? { ...entry, body } : entry)) };
          }
        }
      }
    },
  },
  {
    how: 'something that was told isn’t in the inbox in the end',
    rule: 'acked-is-stored',
    says: /dave's phone was told event 7, and the inbox ends at 6/,
    make(files) {
      const { records, at } = place(files, 'dave.phone', isKind('end'));
      const told = { lsn: 7, conversation: '@carol', seq: 2, from: 'carol', at: 1, entry: 'message', clientId: 'c1', body: { text: 'c1' } };
      records.splice(at, 0, { kind: 'event', ...told });
    },
  },
  {
    how: 'a refused message is stored',
    rule: 'acked-is-stored',
    says: /b3 of bob was refused with unavailable, and is stored/,
    make(files) {
      change(files, 'bob.phone', isKind('sent', 'b3'), () => [{ kind: 'refused', clientId: 'b3', code: 'unavailable' }]);
    },
  },
  {
    how: 'a message stands twice in a conversation',
    rule: 'never-doubled',
    says: /ap1 of alice is two entries: alice:bob 4 and alice:bob 5/,
    make: (files) =>
      changePages(files, 'bob', '@alice', (entries) =>
        entries.map((entry) => (entry.seq === 5 ? { ...(entries[3] as Seen), seq: 5 } : entry)),
      ),
  },
  {
    how: 'an entry is twice in an inbox',
    rule: 'never-doubled',
    says: /#team 2 is twice in the inbox of carol/,
    make(files) {
      const { records } = place(files, 'carol.audit', isEvent('bt1'));
      const again = records.find(isEvent('bt1')) as Extract<Record, { kind: 'event' }>;
      const end = records.findIndex(isKind('inbox-end'));
      const { lsn } = records[end] as Extract<Record, { kind: 'inbox-end' }>;
      records.splice(end, 1, { ...again, lsn: lsn + 1 }, { kind: 'inbox-end', lsn: lsn + 1 });
    },
  },
  {
    how: 'a message that nobody sent',
    rule: 'never-doubled',
    says: /nobody sent ghost of bob/,
    make: (files) =>
      changePages(files, 'alice', '@bob', (entries) => [
        ...entries,
        { ...(entries[0] as Seen), seq: entries.length + 1, from: 'bob', clientId: 'ghost' },
      ]),
  },
  {
    how: 'a resend is answered as if it were the first',
    rule: 'never-doubled',
    says: /a1 of alice was answered twice without `duplicate`/,
    make: (files) =>
      change(
        files,
        'alice.phone',
        (record) => record.kind === 'sent' && record.duplicate === true,
        (record) => {
          const { duplicate: _, ...rest } = record as Extract<Record, { kind: 'sent' }>;
          return [rest];
        },
      ),
  },
  {
    how: 'a page gives an entry twice',
    rule: 'never-doubled',
    says: /the pages of @bob|the pages of alice:bob give alice an entry twice/,
    make: (files) => changePages(files, 'alice', '@bob', (entries) => [...entries.slice(0, 3), ...entries.slice(2)]),
  },
  {
    how: 'two members read two entries in different order',
    rule: 'same-order',
    says: /read different entries at #team 3/,
    make: (files) =>
      changePages(files, 'bob', '#team', (entries) => {
        const [one, two, three, ...rest] = entries as Seen[];
        return [one as Seen, { ...(three as Seen), seq: 2 }, { ...(two as Seen), seq: 3 }, ...rest];
      }),
  },
  {
    how: 'two members read different texts',
    rule: 'same-order',
    says: /read different bodies at #team 2/,
    make: (files) =>
      changePages(files, 'carol', '#team', (entries) =>
        entries.map((entry) => (entry.seq === 2 ? { ...entry, body: { text: 'other' } } : entry)),
      ),
  },
  {
    how: 'two devices of a user have two events under one lsn',
    rule: 'same-order',
    says: /alice was told two events as 2/,
    make: (files) =>
      change(files, 'alice.phone', isEvent('b1'), (record) => [{ ...record, seq: 3, clientId: 'a2', from: 'alice' } as Record]),
  },
  {
    how: 'an inbox has a conversation’s entries in another order',
    rule: 'same-order',
    says: /carol reads #team 2 after 3/,
    make(files) {
      const { records, at } = place(files, 'carol.audit', isEvent('bt1'));
      const [one, two] = [records[at], records[at + 1]] as [Extract<Record, { kind: 'event' }>, Extract<Record, { kind: 'event' }>];
      records.splice(at, 2, { ...two, lsn: one.lsn }, { ...one, lsn: two.lsn });
    },
  },
  {
    how: 'a sender’s messages stand in another order than they were sent',
    rule: 'same-order',
    says: /carol sent ct2 before ct1/,
    make(files) {
      const { records } = place(files, 'carol.phone', isKind('invoke', 'ct1'));
      const [one, two] = ['ct1', 'ct2'].map((clientId) => records.findIndex(isKind('invoke', clientId))) as [number, number];
      [records[one], records[two]] = [records[two] as Record, records[one] as Record];
    },
  },
  {
    how: 'a device is told an lsn twice on one connection',
    rule: 'gap-free',
    says: /bob's phone was told 1 again, where 2 is next/,
    make: (files) => change(files, 'bob.phone', isEvent('a1'), (record) => [record, record]),
  },
  {
    how: 'a device misses an lsn',
    rule: 'gap-free',
    says: /bob's phone was told 2 where 1 is next/,
    make: (files) => change(files, 'bob.phone', isEvent('a1'), () => []),
  },
  {
    how: '`sent` comes before the frames below its lsn',
    rule: 'gap-free',
    says: /bob's phone was told 9 where 2 is next/,
    make: (files) => change(files, 'bob.phone', isKind('sent', 'b1'), (record) => [{ ...record, lsn: 9 } as Record]),
  },
  {
    how: 'the application is handed an event twice',
    rule: 'gap-free',
    says: /bob's phone took 1 where 2 is next/,
    make: (files) => change(files, 'bob.phone', isKind('took', 'a1'), (record) => [record, record]),
  },
  {
    how: 'a poll leaves out an event',
    rule: 'gap-free',
    says: /alice's tablet polled 2 where 1 is next/,
    make(files) {
      change(files, 'alice.tablet', isEvent('a1'), (record) => [{ ...record, lsn: 2 } as Record]);
    },
  },
  {
    how: 'a reconnected device is told only what comes later than it asked',
    rule: 'gap-free',
    says: /bob's phone asked for what comes after 3 and gets what comes after 5/,
    make: (files) =>
      change(
        files,
        'bob.phone',
        (record) => record.kind === 'welcome' && record.cursor === 3,
        () => [{ kind: 'welcome', cursor: 5 }],
      ),
  },
  {
    how: 'the server has forgotten what it told: a reset of a device that is ahead',
    rule: 'gap-free',
    says: /alice's phone was told \d+ events, of which the server knows 4/,
    make: (files) => change(files, 'alice.phone', isKind('end'), (record) => [{ kind: 'reset', cursor: 4, reason: 'ahead' }, record]),
  },
  {
    how: 'an inbox has a gap',
    rule: 'gap-free',
    says: /the inbox of alice has 3 where 2 is next/,
    make: (files) => change(files, 'alice.audit', isEvent('b1'), () => []),
  },
  {
    how: 'a conversation has a gap in its seqs',
    rule: 'gap-free',
    says: /nobody saw alice:bob 9, but there is 10/,
    make: (files) =>
      changePages(files, 'bob', '@alice', (entries) => [
        ...entries,
        { ...(entries.at(-1) as Seen), seq: entries.length + 2, clientId: 'b9' },
      ]),
  },
  {
    how: 'pages leave out an entry',
    rule: 'gap-free',
    says: /the pages of #team give carol 3 where 2 is next/,
    make: (files) => changePages(files, 'carol', '#team', (entries) => entries.filter(({ seq }) => seq !== 2)),
  },
  {
    how: 'pages end too early',
    rule: 'gap-free',
    says: /the pages of #team end for bob/,
    make: (files) => changePages(files, 'bob', '#team', (entries) => entries.slice(0, -1)),
  },
  {
    how: 'an unacknowledged entry reached some members only',
    rule: 'gap-free',
    says: /the inbox of dave lacks carol:dave 1/,
    make: (files) => dropFromInbox(files, 'dave', 'c1'),
  },
  {
    how: 'someone is told an entry of a time when they weren’t a member',
    rule: 'gap-free',
    says: /dave has #team 13 without being a member then/,
    make: (files) => change(files, 'dave.audit', isEvent('a5'), (record) => [{ ...record, seq: 13 } as Record]),
  },
  {
    how: 'a conversation is missing in the list',
    rule: 'gap-free',
    says: /bob lacks #team in the list/,
    make: (files) => changeList(files, 'bob', (items) => items.filter(({ conversation }) => conversation !== '#team')),
  },
  {
    how: 'the list says another end',
    rule: 'gap-free',
    says: /for bob #team ends at 3/,
    make: (files) =>
      changeList(files, 'bob', (items) => items.map((item) => (item.conversation === '#team' ? { ...item, lastSeq: 3 } : item))),
  },
  {
    how: 'the list counts unread wrongly',
    rule: 'gap-free',
    says: /bob has 100 unread in #team/,
    make: (files) =>
      changeList(files, 'bob', (items) => items.map((item) => (item.conversation === '#team' ? { ...item, unread: 100 } : item))),
  },
  {
    how: 'a device never comes to the end',
    rule: 'gap-free',
    says: /dave's phone has come to \d+, the inbox to 6/,
    make(files) {
      const { records } = place(files, 'dave.phone', isKind('end'));
      for (const kind of ['took', 'event'] as const) records.splice(records.findLastIndex(isKind(kind)), 1);
    },
  },
  {
    how: 'an answered setting is lost',
    rule: 'done-is-kept',
    says: /alice finds #team muted until 0, not 6000/,
    make: (files) => changeList(files, 'alice', (items) => items.map(({ mutedUntil: _, ...item }) => item)),
  },
  {
    how: 'an answered setting is another',
    rule: 'done-is-kept',
    says: /alice finds #team muted until 5000, not 6000/,
    make: (files) => changeList(files, 'alice', (items) => items.map((item) => ({ ...item, mutedUntil: 5_000 }))),
  },
  {
    how: 'a send ends in silence',
    rule: 'always-answered',
    says: /carol never heard what became of c1/,
    make: (files) => change(files, 'carol.phone', isKind('answer', 'c1'), () => []),
  },
  {
    how: 'an error has no code',
    rule: 'always-answered',
    says: /an error without a code/,
    make: (files) => change(files, 'carol.phone', isKind('answer', 'c1'), (record) => [{ ...record, code: '' } as Record]),
  },
  {
    how: 'a record was cut off',
    rule: 'always-answered',
    says: /the record of bob's phone stops before the end/,
    make: (files) => change(files, 'bob.phone', isKind('end'), () => []),
  },
];

type Items = Extract<Record, { kind: 'listed' }>['items'];

function changeList(files: Files, user: string, to: (items: Items) => Items): void {
  change(files, `${user}.audit`, isKind('listed'), (record) => [
    { kind: 'listed', items: to((record as Extract<Record, { kind: 'listed' }>).items) },
  ]);
}

for (const { how, rule, says, make } of wrong) {
  t.test(`finds that ${how}`, async (t) => {
    const files = correct();
    make(files);
    const found = run(files);
    const fits = found.filter((violation) => violation.rule === rule && says.test(violation.what));
    t.ok(fits.length > 0, `${rule}: ${says}`, { found: found.map((violation) => `${violation.rule}: ${violation.what}`) });
    t.match(fits[0]?.evidence[0], /^[a-z]+\.[a-z]+\.jsonl:\d+ /, 'and shows where');
    t.match(describe(found), new RegExp(`${rule}: broken`));
  });
}
