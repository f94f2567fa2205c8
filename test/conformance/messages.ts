import { type Cases, request, send, sendMany, seqs } from './cases.ts';

export const messages: Cases = {
  '5.1 a message is stored for both, and told to the other': async ({ t, open, at, name }) => {
    const [alice, bob] = [await open('alice'), await open('bob')];
    const sent = await alice.ask(send(at('bob'), 'hé 𝄞 "quoted"', 'a1'));
    t.match(sent, { type: 'sent', clientId: 'a1', conversation: at('bob'), seq: 1, lsn: 1, at: Number });
    t.notOk('duplicate' in sent);
    const event = await bob.next('event');
    t.match(event, { lsn: 1, conversation: at('alice'), seq: 1, from: name('alice'), at: sent['at'], kind: 'message', clientId: 'a1' });
    t.same(event['body'], { text: 'hé 𝄞 "quoted"' });
    const answer = await bob.ask(send(at('alice'), 'and back'));
    t.match(answer, { seq: 2, lsn: 2 });
    t.match(await alice.next((frame) => frame['lsn'] === 2), { type: 'event', from: name('bob'), seq: 2 });
  },

  '3.5.2 oneself is a notebook with one member': async ({ t, open, at }) => {
    const alice = await open('alice');
    t.match(await alice.ask(send(at('alice'))), { type: 'sent', seq: 1, lsn: 1 });
    const page = await alice.ask(request('history', { conversation: at('alice') }));
    t.match(page, { type: 'page', entries: [{ seq: 1, body: { text: 'hello' } }], more: false });
    t.match(await alice.ask(request('receipts', { conversation: at('alice') })), { members: [{ user: alice.user }] });
  },

  '3.5.3 every direct conversation exists, also where nobody has written yet': async ({ t, open, at, name }) => {
    const alice = await open('alice');
    const conversation = at('bob');
    t.match(await alice.ask(request('history', { conversation })), { type: 'page', conversation, entries: [], more: false });
    t.match(await alice.ask(request('receipts', { conversation })), { type: 'receipts', conversation });
    t.match(await alice.ask(request('typing', { conversation })), { type: 'done' });
    t.match(await alice.ask(request('read', { conversation, seq: 5 })), { type: 'done' });
    t.match(await alice.ask(request('conversations')), { items: [] });
    await (await open('bob')).ask(send(at('alice')));
    await alice.next('event');
    t.match(await alice.ask(request('conversations')), { items: [{ conversation, unread: 1 }] });
    for (const type of ['history', 'receipts', 'typing', 'read', 'group.info']) {
      const frame = request(type, { conversation: `#${name('nothing')}`, ...(type === 'read' ? { seq: 1 } : {}) });
      t.match(await alice.ask(frame), { type: 'error', code: 'not-found' }, `${type} of a group that isn't`);
    }
  },

  '5.2 the same client id again gets the first answer': async ({ t, open, at }) => {
    const [alice, tablet] = [await open('alice'), await open('alice', { device: 'tablet' })];
    const first = await alice.ask(send(at('bob'), 'once', 'same'));
    const { seq, lsn, at: when } = first;
    t.match(await alice.ask(send(at('bob'), 'once', 'same')), { type: 'sent', clientId: 'same', seq, lsn, at: when, duplicate: true });
    t.match(await tablet.ask(send(at('bob'), 'another body', 'same')), { type: 'sent', seq, lsn, duplicate: true });
    t.match(await alice.ask(send(at('carol'), 'once', 'same')), { type: 'error', code: 'conflict', clientId: 'same' });
    const other = { type: 'group.create', clientId: 'same', title: 'x', members: [] };
    t.match(await alice.ask(other), { type: 'error', code: 'conflict', clientId: 'same' });
    t.same(seqs(await alice.ask(request('history', { conversation: at('bob') }))), [1], 'it is stored once');
  },

  '5.2.3 of many at once exactly one is answered without duplicate': async ({ t, open, at }) => {
    const devices = await Promise.all(['a', 'b', 'c'].map((device) => open('alice', { device })));
    const many = devices.flatMap((device) => Array.from({ length: 4 }, () => device));
    for (const device of many) device.say(send(at('bob'), 'once', 'same'));
    const answers = await Promise.all(many.map((device) => device.next('sent')));
    t.equal(answers.filter((answer) => !('duplicate' in answer)).length, 1);
    t.same([...new Set(answers.map(({ seq }) => seq))], [1]);
  },

  '4.3 a device reads on from its cursor, without gaps': async ({ t, open, at }) => {
    const bob = await open('bob');
    const early = await open('alice');
    await sendMany(bob, at('alice'), 5);
    await early.next((frame) => frame['lsn'] === 5);
    await early.end();
    await sendMany(bob, at('alice'), 5);
    const late = await open('alice', { device: 'phone', cursor: 3 });
    await late.next((frame) => frame['lsn'] === 10);
    await sendMany(bob, at('alice'), 1);
    await late.next((frame) => frame['lsn'] === 11);
    const lsns = late.received.filter(({ type }) => type === 'event').map(({ lsn }) => lsn);
    t.same(lsns, [4, 5, 6, 7, 8, 9, 10, 11]);
    const fresh = await open('alice', { device: 'tablet' });
    t.match(fresh.welcome, { cursor: 11, user: late.user });
  },

  '4.4 a cursor ahead of the log gets a reset': async ({ t, open, at }) => {
    const bob = await open('bob');
    await sendMany(bob, at('alice'), 2);
    const alice = await open('alice', { cursor: 900 });
    t.match(await alice.next('reset'), { cursor: 2, reason: 'ahead' });
    await sendMany(bob, at('alice'), 1);
    t.match(await alice.next('event'), { lsn: 3 }, 'events after it follow as usual');
  },

  '5.4 history by pages, either way': async ({ t, open, at }) => {
    const alice = await open('alice');
    const history = (fields: object = {}) => alice.ask(request('history', { conversation: at('bob'), ...fields }));
    t.match(await history(), { type: 'page', conversation: at('bob'), entries: [], more: false }, 'nobody has written yet');
    await sendMany(alice, at('bob'), 25);
    const newest = await history({ limit: 10 });
    t.same(seqs(newest), [16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    t.equal(newest['more'], true);
    t.match(await history({ before: 4, limit: 10 }), { entries: [{ seq: 1 }, { seq: 2 }, { seq: 3 }], more: false });
    t.match(await history({ before: 4, limit: 2 }), { entries: [{ seq: 2 }, { seq: 3 }], more: true });
    t.match(await history({ after: 0, limit: 2 }), { entries: [{ seq: 1, body: { text: 'm0' } }, { seq: 2 }], more: true });
    t.match(await history({ after: 24 }), { entries: [{ seq: 25 }], more: false });
    t.match(await history({ after: 25 }), { entries: [], more: false });
    t.match(await history({ before: 1 }), { entries: [], more: false });
    t.equal(seqs(await history()).length, 25);
    t.match(await history({ before: 5, after: 1 }), { type: 'error', code: 'bad-field' });
  },

  '5.5 conversations, latest first, with what is unread': async ({ t, open, at }) => {
    const alice = await open('alice');
    const list = (fields: object = {}) => alice.ask(request('conversations', fields));
    t.match(await list(), { type: 'conversations', items: [] });
    for (const user of ['bob', 'carol', 'dave']) await sendMany(await open(user), at('alice'), 2);
    await alice.ask(send(at('bob'), 'mine'));
    await alice.next((frame) => frame['lsn'] === 6);
    const { items } = (await list()) as unknown as { items: object[] };
    t.match(items, [
      {
        conversation: at('bob'),
        lastSeq: 3,
        last: { seq: 3, body: { text: 'mine' } },
        read: 0,
        unread: 2,
        peer: { delivered: Number, read: 0 },
      },
      { conversation: at('dave'), lastSeq: 2, unread: 2 },
      { conversation: at('carol'), lastSeq: 2, unread: 2 },
    ]);
    const first = await list({ limit: 2 });
    t.equal((first['items'] as object[]).length, 2);
    const second = await list({ limit: 2, next: first['next'] });
    t.match(second, { items: [{ conversation: at('carol') }] });
    t.notOk('next' in second);
    await alice.ask(request('read', { conversation: at('dave'), seq: 1 }));
    t.match(await list(), { items: [{ unread: 2 }, { conversation: at('dave'), read: 1, unread: 1 }, {}] });
  },

  '6.1 watermarks: delivered and read': async ({ t, open, at, name }) => {
    const [alice, bob] = [await open('alice'), await open('bob')];
    const tablet = await open('bob', { device: 'tablet' });
    await sendMany(alice, at('bob'), 3);
    await bob.next((frame) => frame['lsn'] === 3);
    bob.say({ type: 'ack', cursor: 3 });
    t.match(await alice.next((frame) => frame.type === 'receipt' && frame['delivered'] === 3), {
      conversation: at('bob'),
      user: name('bob'),
      read: 0,
    });
    bob.say({ type: 'read', conversation: at('alice'), seq: 2 });
    t.match(await alice.next((frame) => frame.type === 'receipt' && frame['read'] === 2), { user: name('bob'), delivered: 3 });
    t.match(await tablet.next((frame) => frame.type === 'receipt' && frame['read'] === 2), {
      conversation: at('alice'),
      user: name('bob'),
    });
    bob.say({ type: 'read', conversation: at('alice'), seq: 99 });
    await alice.next((frame) => frame.type === 'receipt' && frame['read'] === 3);
    t.match(await bob.ask(request('read', { conversation: at('alice'), seq: 1 })), { type: 'done' });
    const { members } = (await alice.ask(request('receipts', { conversation: at('bob') }))) as unknown as { members: { user: string }[] };
    t.match(
      members.find(({ user }) => user === name('bob')),
      { delivered: 3, read: 3 },
      'they only grow',
    );
    t.equal(members.length, 2);
  },

  '6.3 typing is told to those who are there': async ({ t, open, at, name }) => {
    const [alice, bob] = [await open('alice'), await open('bob')];
    await alice.ask(send(at('bob')));
    t.match(await alice.ask(request('typing', { conversation: at('bob') })), { type: 'done' });
    t.match(await bob.next('typing'), { conversation: at('alice'), user: name('alice') });
  },

  '6.4 presence: online, away, and for those who may see it': async ({ t, open, at, name }) => {
    const [alice, bob] = [await open('alice'), await open('bob')];
    const state = (state: string) =>
      alice.next((frame) => frame.type === 'presence' && frame['user'] === name('bob') && frame['state'] === state);
    t.match(await alice.ask(request('watch', { users: [name('bob'), name('nobody')] })), { type: 'done' });
    await state('online');
    t.match(await alice.next((frame) => frame['user'] === name('nobody')), { type: 'presence', state: 'offline' });
    bob.say({ type: 'presence', state: 'away' });
    await state('away');
    bob.say({ type: 'presence', state: 'online' });
    await state('online');
    t.match(await bob.ask(request('settings', { presence: 'nobody' })), { type: 'done' });
    t.notOk('lastSeen' in (await state('offline')));
    await bob.ask(request('settings', { presence: 'contacts' }));
    await bob.ask(send(at('alice')));
    await state('online');
    await bob.ask(request('block', { user: name('alice') }));
    await state('offline');
    t.match(await alice.ask(request('unwatch', { users: [name('bob')] })), { type: 'done' });
  },

  '8.1 mute': async ({ t, open, at }) => {
    const alice = await open('alice');
    await alice.ask(send(at('bob')));
    t.match(await alice.ask(request('mute', { conversation: at('bob'), until: 4_000_000_000_000 })), { type: 'done' });
    t.match(await alice.ask(request('conversations')), { items: [{ conversation: at('bob'), mutedUntil: 4_000_000_000_000 }] });
    await alice.ask(request('mute', { conversation: at('bob'), until: 0 }));
    const { items } = (await alice.ask(request('conversations'))) as unknown as { items: object[] };
    t.same(
      items.map((item) => 'mutedUntil' in item),
      [false],
    );
  },

  '8.2 block and unblock': async ({ t, open, at, name }) => {
    const [alice, bob] = [await open('alice'), await open('bob')];
    await bob.ask(send(at('alice'), 'before', 'early'));
    t.match(await alice.ask(request('block', { user: name('bob') })), { type: 'done' });
    t.match(await alice.ask(request('block', { user: name('bob') })), { type: 'done' }, 'again');
    t.match(await bob.ask(send(at('alice'))), { type: 'error', code: 'forbidden' });
    t.match(await bob.ask(send(at('alice'), 'before', 'early')), { type: 'sent', duplicate: true }, 'before any permission');
    t.match(await alice.ask(send(at('bob'))), { type: 'sent' }, 'the blocker may still write');
    const { members } = (await bob.ask(request('receipts', { conversation: at('alice') }))) as unknown as { members: object[] };
    t.match(members, [{ user: name('bob') }]);
    t.equal(members.length, 1, 'the blocker is left out');
    t.match(await alice.ask(request('unblock', { user: name('bob') })), { type: 'done' });
    t.match(await bob.ask(send(at('alice'))), { type: 'sent' });
    t.match(await alice.ask(request('block', { user: name('alice') })), { type: 'error', code: 'bad-field' });
  },

  '3.4.2 answers and errors give back the names of their frame': async ({ t, open, at }) => {
    const alice = await open('alice');
    t.match(await alice.ask({ ...send(at('bob'), 'x', 'c1'), id: 'i1' }), { type: 'sent', id: 'i1', clientId: 'c1' });
    t.match(await alice.ask({ ...send('nowhere', 'x', 'c2'), id: 'i2' }), { type: 'error', code: 'bad-field', id: 'i2', clientId: 'c2' });
    t.match(await alice.ask({ type: 'history', id: 'i3', clientId: 'c3', conversation: at('bob') }), {
      type: 'page',
      id: 'i3',
      clientId: 'c3',
    });
    t.match(await alice.ask({ type: 'nope', id: 'i4' }), { type: 'error', code: 'unknown-type', id: 'i4' });
    t.match(await alice.ask({ type: 'ping', id: 'i5' }), { type: 'pong', id: 'i5', at: Number });
  },

  '3.1.1 an array of frames is acted on in its order': async ({ t, open, at }) => {
    const alice = await open('alice');
    const frames = Array.from({ length: 20 }, (_, i) => send(at('bob'), `m${i}`));
    alice.say(...frames);
    for (const [i, frame] of frames.entries())
      t.match(await alice.next((answer) => answer.type === 'sent' && answer['clientId'] === frame['clientId']), { seq: i + 1 });
  },
};
