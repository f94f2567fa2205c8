import type { Frame } from '../support/raw-client.ts';
import { type Cases, change, request, type Scene, send, seqs } from './cases.ts';
import type { Device } from './device.ts';

/** A group of alice, who owns it, bob and carol. */
async function team({
  open,
  name,
  t,
}: Scene): Promise<{ readonly conversation: string; readonly alice: Device; readonly bob: Device; readonly carol: Device }> {
  const [alice, bob, carol] = await Promise.all([open('alice'), open('bob'), open('carol')]);
  const sent = await alice.ask(change('create', { group: name('team'), title: 'The team', members: [name('bob'), name('carol')] }));
  t.match(sent, { type: 'sent', conversation: `#${name('team')}`, seq: 1 });
  return { conversation: `#${name('team')}`, alice, bob, carol };
}

const entry = (device: Device, kind: string): Promise<Frame> => device.next((frame) => frame.type === 'event' && frame['kind'] === kind);

export const groups: Cases = {
  '7.2 a group is created, and told to its members': async (scene) => {
    const { t, name } = scene;
    const { conversation, alice, bob } = await team(scene);
    const created = await entry(bob, 'created');
    t.match(created, { conversation, seq: 1, from: name('alice'), body: { title: 'The team' } });
    t.same(
      [...(created['body'] as { members: string[] }).members].sort(),
      ['alice', 'bob', 'carol'].map(name),
      'all of them, the owner too',
    );
    t.match(await alice.ask(request('group.info', { conversation })), {
      type: 'group',
      title: 'The team',
      members: [
        { user: name('alice'), role: 'owner' },
        { user: name('bob'), role: 'member' },
        { user: name('carol'), role: 'member' },
      ],
    });
    t.match(await bob.ask(change('create', { group: name('team'), title: 'x', members: [] })), { type: 'error', code: 'conflict' });
    const unnamed = await bob.ask(change('create', { title: 'x', members: [] }));
    t.match(unnamed, { type: 'sent', conversation: /^#[A-Za-z0-9._-]{1,64}$/, seq: 1 });
    t.match(await bob.ask(request('conversations')), {
      items: [
        { conversation: unnamed['conversation'], members: 1, title: 'x' },
        { conversation, members: 3, title: 'The team' },
      ],
    });
  },

  '5.1 a message to a group reaches every member, in one order': async (scene) => {
    const { t, name } = scene;
    const { conversation, alice, bob, carol } = await team(scene);
    for (const device of [alice, bob, carol, alice, bob]) t.match(await device.ask(send(conversation)), { type: 'sent', conversation });
    const pages = await Promise.all([alice, bob, carol].map((device) => device.ask(request('history', { conversation }))));
    for (const page of pages) t.same(seqs(page), [1, 2, 3, 4, 5, 6]);
    t.same(pages[1]?.['entries'], pages[0]?.['entries'], 'same-order');
    await bob.ask(request('typing', { conversation }));
    t.match(await carol.next('typing'), { conversation, user: name('bob') });
    await bob.ask(request('read', { conversation, seq: 6 }));
    t.match(await alice.next((frame) => frame.type === 'receipt' && frame['read'] === 6), { conversation, user: name('bob') });
    t.equal(((await carol.ask(request('receipts', { conversation })))['members'] as unknown[]).length, 3);
  },

  '7.3 members are added and removed': async (scene) => {
    const { t, name, open } = scene;
    const { conversation, alice, bob, carol } = await team(scene);
    const dave = await open('dave');
    const add = (device: Device, ...users: string[]) => device.ask(change('add', { conversation, users: users.map(name) }));
    const remove = (device: Device, ...users: string[]) => device.ask(change('remove', { conversation, users: users.map(name) }));
    t.match(await add(bob, 'dave'), { type: 'error', code: 'forbidden' }, 'a member may not');
    t.match(await add(alice, 'dave', 'bob'), { type: 'sent', seq: 2 });
    t.same((await entry(dave, 'added'))['body'], { users: [name('dave')] }, 'those who are there are skipped');
    t.match(await add(alice, 'dave'), { type: 'error', code: 'conflict' });
    await alice.ask(send(conversation, 'for dave too'));
    t.same(seqs(await dave.ask(request('history', { conversation }))), [2, 3], 'from the entry that added him');
    t.match(await dave.ask(request('history', { conversation, before: 2 })), { entries: [], more: false });
    t.match(await remove(bob, 'dave'), { type: 'error', code: 'forbidden' });
    t.match(await remove(alice, 'alice'), { type: 'error', code: 'forbidden' });
    t.match(await remove(alice, 'nobody'), { type: 'error', code: 'not-found' });
    t.match(await remove(alice, 'dave', 'carol', 'nobody'), { type: 'sent', seq: 4 });
    t.same((await entry(dave, 'removed'))['body'], { users: [name('dave'), name('carol')] }, 'the last that he gets');
    await alice.ask(send(conversation, 'without them'));
    for (const device of [dave, carol]) {
      t.match(await device.ask(request('history', { conversation })), { type: 'error', code: 'not-member' });
      t.match(await device.ask(send(conversation)), { type: 'error', code: 'not-member' });
      t.match(await device.ask(request('group.info', { conversation })), { type: 'error', code: 'not-member' });
      t.match(await device.ask(request('conversations')), { items: [] });
    }
    t.match(await add(alice, 'carol'), { type: 'sent', seq: 6 });
    t.same(seqs(await carol.ask(request('history', { conversation }))), [6], 'from the entry that last added her');
  },

  '7.4 members leave, and an owner hands over': async (scene) => {
    const { t, name } = scene;
    const { conversation, alice, bob, carol } = await team(scene);
    const leave = (device: Device) => device.ask(change('leave', { conversation }));
    await alice.ask(change('role', { conversation, user: name('carol'), role: 'admin' }));
    t.match(await leave(alice), { type: 'sent' });
    t.same((await entry(bob, 'left'))['body'], { owner: name('carol') }, 'the longest-serving admin');
    t.match(await alice.ask(send(conversation)), { type: 'error', code: 'not-member' });
    t.match(await leave(bob), { type: 'sent' });
    t.same((await carol.next((frame) => frame['kind'] === 'left' && frame['from'] === name('bob')))['body'], {});
    t.match(await leave(carol), { type: 'sent' });
    t.match(
      await carol.ask(change('create', { group: name('team'), title: 'again', members: [] })),
      { type: 'error', code: 'conflict' },
      'the id stays taken',
    );
  },

  '7.5 and 7.6 titles and roles': async (scene) => {
    const { t, name, open } = scene;
    const { conversation, alice, bob, carol } = await team(scene);
    const rename = (device: Device, title: string) => device.ask(change('rename', { conversation, title }));
    const role = (device: Device, user: string, role: string) => device.ask(change('role', { conversation, user: name(user), role }));
    t.match(await rename(bob, 'x'), { type: 'error', code: 'forbidden' });
    t.match(await role(bob, 'bob', 'admin'), { type: 'error', code: 'forbidden' });
    t.match(await role(alice, 'bob', 'admin'), { type: 'sent' });
    t.same((await entry(carol, 'role'))['body'], { user: name('bob'), role: 'admin' });
    t.match(await role(alice, 'bob', 'admin'), { type: 'error', code: 'conflict' });
    t.match(await role(alice, 'nobody', 'admin'), { type: 'error', code: 'not-found' });
    t.match(await rename(bob, 'Renamed'), { type: 'sent' });
    t.same((await entry(carol, 'renamed'))['body'], { title: 'Renamed' });
    t.match(await role(bob, 'carol', 'admin'), { type: 'error', code: 'forbidden' }, 'an admin sets no roles');
    t.match(
      await bob.ask(change('remove', { conversation, users: [name('alice')] })),
      { type: 'error', code: 'forbidden' },
      'nobody removes the owner',
    );
    t.match(await role(alice, 'alice', 'member'), { type: 'error', code: 'forbidden' });
    t.match(await role(alice, 'carol', 'owner'), { type: 'sent' });
    t.match(await alice.ask(request('group.info', { conversation })), {
      title: 'Renamed',
      members: [
        { user: name('alice'), role: 'admin' },
        { user: name('bob'), role: 'admin' },
        { user: name('carol'), role: 'owner' },
      ],
    });
    t.match(
      await alice.ask(change('remove', { conversation, users: [name('bob')] })),
      { type: 'error', code: 'forbidden' },
      'only the owner removes admins',
    );
    const stranger = await open('stranger');
    for (const frame of [
      request('group.info', { conversation }),
      request('history', { conversation }),
      send(conversation),
      change('leave', { conversation }),
    ]) {
      t.match(await stranger.ask(frame), { type: 'error', code: 'not-found' }, 'to an outsider there is no such group');
    }
  },

  '5.2.6 operations are done once per client id': async (scene) => {
    const { t, name } = scene;
    const { conversation, alice } = await team(scene);
    const add = change('add', { conversation, users: [name('dave')] });
    const first = await alice.ask(add);
    t.match(await alice.ask(add), { type: 'sent', seq: first['seq'], lsn: first['lsn'], duplicate: true });
    t.match(await alice.ask({ ...add, type: 'group.remove' }), { type: 'error', code: 'conflict' });
    t.match(await alice.ask({ ...add, conversation: '#another' }), { type: 'error', code: 'conflict' }, 'before permissions too');
  },
};
