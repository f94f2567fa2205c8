import type { Operation, Role } from '../../src/actors/messages.ts';
import { conversationNamed, nameFor, type UserId } from '../../src/ids.ts';

type Answer = { readonly kind: 'sent'; readonly seq: number; readonly lsn: number } | { readonly kind: 'refused'; readonly code: string };

interface Member {
  role: Role;
  since: number;
  left: boolean;
}

interface Conversation {
  readonly name: (reader: UserId) => string;
  readonly entries: { readonly from: UserId; readonly clientId: string }[];
  readonly members: Map<UserId, Member>;
  title: string | undefined;
}

const refused = (code: string): Answer => ({ kind: 'refused', code });

/** A messenger with no actors, no store and no faults: what users may expect, as plainly as it can be said. */
export class Messenger {
  readonly #limits: { readonly groupMembersMax: number };
  readonly #conversations = new Map<string, Conversation>();
  readonly #inboxes = new Map<UserId, { readonly id: string; readonly conversation: string; readonly seq: number }[]>();
  readonly #answered = new Map<string, { readonly id: string; readonly kind: string; readonly answer: Answer }>();
  readonly #read = new Map<string, number>();

  constructor(limits: { readonly groupMembersMax: number }) {
    this.#limits = limits;
  }

  submit(from: UserId, to: string, clientId: string, operation: Operation): Answer {
    const id = conversationNamed(to, from) as string;
    const before = this.#answered.get(`${from} ${clientId}`);
    if (before !== undefined) return before.id === id && before.kind === operation.kind ? before.answer : refused('conflict');
    const conversation = this.#conversations.get(id);
    const code = to.startsWith('@') ? undefined : this.#ruling(conversation, from, operation);
    if (code !== undefined) return refused(code);
    const answer = this.#post(id, from, clientId, operation);
    this.#answered.set(`${from} ${clientId}`, { id, kind: operation.kind, answer });
    return answer;
  }

  #ruling(group: Conversation | undefined, from: UserId, operation: Operation): string | undefined {
    if (operation.kind === 'created') {
      if (group !== undefined) return 'conflict';
      return new Set([from, ...operation.members]).size > this.#limits.groupMembersMax ? 'limit' : undefined;
    }
    const me = group?.members.get(from);
    if (group === undefined || me === undefined) return 'not-found';
    if (me.left) return 'not-member';
    const isIn = (user: UserId): boolean => group.members.get(user)?.left === false;
    const size = [...group.members.values()].filter(({ left }) => !left).length;
    switch (operation.kind) {
      case 'added': {
        if (me.role === 'member') return 'forbidden';
        const added = operation.users.filter((user) => !isIn(user));
        if (added.length === 0) return 'conflict';
        return size + added.length > this.#limits.groupMembersMax ? 'limit' : undefined;
      }
      case 'removed': {
        if (me.role === 'member') return 'forbidden';
        const removed = operation.users.filter(isIn);
        if (removed.length === 0) return 'not-found';
        const roles = removed.map((user) => group.members.get(user)?.role);
        if (roles.includes('owner') || (roles.includes('admin') && me.role !== 'owner')) return 'forbidden';
        return undefined;
      }
      case 'renamed':
        return me.role === 'member' ? 'forbidden' : undefined;
      case 'role':
        if (me.role !== 'owner') return 'forbidden';
        if (!isIn(operation.user)) return 'not-found';
        if (operation.user === from && operation.role !== 'owner') return 'forbidden';
        return group.members.get(operation.user)?.role === operation.role ? 'conflict' : undefined;
      default:
        return undefined;
    }
  }

  #post(id: string, from: UserId, clientId: string, operation: Operation): Answer {
    let conversation = this.#conversations.get(id);
    if (conversation === undefined) {
      conversation = { name: (reader) => nameFor(id as never, reader), entries: [], members: new Map(), title: undefined };
      if (!id.startsWith('#'))
        for (const user of id.split(':')) conversation.members.set(user as UserId, { role: 'member', since: 1, left: false });
      this.#conversations.set(id, conversation);
    }
    conversation.entries.push({ from, clientId });
    const seq = conversation.entries.length;
    const before = this.#present(conversation);
    this.#change(conversation, from, operation, seq);
    for (const user of new Set([...before, ...this.#present(conversation)])) {
      const inbox = this.#inboxes.get(user) ?? [];
      inbox.push({ id, conversation: conversation.name(user), seq });
      this.#inboxes.set(user, inbox);
    }
    return { kind: 'sent', seq, lsn: this.#inboxes.get(from)?.length ?? 0 };
  }

  #present(conversation: Conversation): UserId[] {
    return [...conversation.members].filter(([, { left }]) => !left).map(([user]) => user);
  }

  #change(group: Conversation, from: UserId, operation: Operation, seq: number): void {
    const join = (user: UserId, role: Role): void => {
      if (group.members.get(user)?.left === false) return;
      group.members.delete(user);
      group.members.set(user, { role, since: seq, left: false });
      this.#read.set(`${user} ${group.name(user)}`, seq - 1);
    };
    const leave = (user: UserId): void => {
      const member = group.members.get(user);
      if (member !== undefined) member.left = true;
    };
    const give = (user: UserId, role: Role): void => {
      const member = group.members.get(user);
      if (member !== undefined) member.role = role;
    };
    switch (operation.kind) {
      case 'created':
        group.title = operation.title;
        join(from, 'owner');
        for (const user of operation.members) join(user, 'member');
        break;
      case 'added':
        for (const user of operation.users) join(user, 'member');
        break;
      case 'removed':
        for (const user of operation.users) leave(user);
        break;
      case 'left': {
        const owned = group.members.get(from)?.role === 'owner';
        leave(from);
        const rest = [...group.members].filter(([, { left }]) => !left).sort(([, one], [, other]) => one.since - other.since);
        const heir = rest.find(([, { role }]) => role === 'admin') ?? rest[0];
        if (owned && heir !== undefined) heir[1].role = 'owner';
        break;
      }
      case 'renamed':
        group.title = operation.title;
        break;
      case 'role':
        if (operation.role === 'owner') give(from, 'admin');
        give(operation.user, operation.role);
        break;
      default:
        break;
    }
  }

  read(user: UserId, to: string, seq: number): void {
    const conversation = this.#conversations.get(conversationNamed(to, user) as string);
    if (conversation === undefined || conversation.members.get(user)?.left !== false) return;
    const key = `${user} ${to}`;
    this.#read.set(key, Math.max(this.#read.get(key) ?? 0, Math.min(seq, conversation.entries.length)));
  }

  inboxOf(user: UserId): readonly { readonly conversation: string; readonly seq: number }[] {
    return this.#inboxes.get(user) ?? [];
  }

  listOf(user: UserId): readonly Record<string, unknown>[] {
    const latest = [...new Set([...this.inboxOf(user)].reverse().map(({ conversation }) => conversation))];
    return latest.flatMap((name) => {
      const conversation = this.#conversations.get(conversationNamed(name, user) as string) as Conversation;
      if (conversation.members.get(user)?.left) return [];
      const read = this.#read.get(`${user} ${name}`) ?? 0;
      const lastSeq = conversation.entries.length;
      const unread = conversation.entries.slice(read).filter(({ from }) => from !== user).length;
      const members = name.startsWith('#') ? this.#present(conversation).length : undefined;
      return [{ conversation: name, lastSeq, read, unread, title: conversation.title, members }];
    });
  }

  historyOf(user: UserId, name: string): readonly string[] {
    const conversation = this.#conversations.get(conversationNamed(name, user) as string) as Conversation;
    const since = conversation.members.get(user)?.since ?? 1;
    return conversation.entries.flatMap(({ from, clientId }, index) => (index + 1 >= since ? [`${index + 1} ${from} ${clientId}`] : []));
  }
}
