import { batchOf, type Entry, packEntry } from '../../src/actors/entry.ts';
import type { EventsFrame, ServerFrame, SessionCommand } from '../../src/actors/messages.ts';
import type { SessionAddress, Sessions } from '../../src/cluster/actor.ts';
import { type ClientId, type ConversationId, type DeviceId, nameFor, type UserId, usersOf } from '../../src/ids.ts';

interface Event {
  readonly lsn: number;
  readonly conversation: ConversationId;
  readonly entry: Entry;
}

interface Connected {
  readonly address: SessionAddress;
  readonly device: DeviceId;
  live: boolean;
}

interface User {
  readonly id: UserId;
  readonly events: Event[];
  connected: Connected[];
}

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

/**
 * Users that answer at once and from memory, for tests of what stands between them and a socket. They know
 * direct messages and what sessions ask; a test says what they shall not answer.
 */
export class FakeUsers {
  sessions: Sessions = { emit: () => {}, close: () => {} };
  /** Everything they were told. */
  readonly told: { readonly user: UserId; readonly command: SessionCommand }[] = [];
  /** Kinds of commands that get no answer. */
  readonly mute = new Set<SessionCommand['kind']>();
  /** Own events are told at once and `sent` when the test says so. */
  slow = false;
  private readonly users = new Map<UserId, User>();
  private readonly seqs = new Map<ConversationId, number>();
  private readonly answered = new Map<string, Extract<ServerFrame, { type: 'sent' }>>();
  private readonly late: (() => void)[] = [];

  readonly tell = (user: UserId, command: SessionCommand): void => {
    this.told.push({ user, command });
    if (!this.mute.has(command.kind)) setImmediate(() => this.act(this.user(user), command));
  };

  /** Appends an event to a user's inbox as if somebody had written to them. */
  write(to: string, from: string, body: Uint8Array, clientId = 'c'): void {
    this.post(from as UserId, to as UserId, clientId as ClientId, body);
  }

  /** Tells the `sent`s that were held back. */
  settle(): void {
    for (const tell of this.late.splice(0)) tell();
  }

  toldKinds(): readonly string[] {
    return this.told.map(({ command }) => command.kind);
  }

  isLive(user: string): boolean {
    return this.user(user as UserId).connected.some(({ live }) => live);
  }

  private act(user: User, command: SessionCommand): void {
    switch (command.kind) {
      case 'connect':
        return this.connect(user, command);
      case 'disconnect':
        user.connected = user.connected.filter(({ address }) => address.id !== command.session.id);
        return;
      case 'pull':
        return this.pull(user, command);
      case 'submit':
        return this.submit(user, command);
      case 'history': {
        const entries = user.events.filter(({ conversation }) => conversation === command.conversation).map(({ entry }) => entry);
        return this.emit(command, {
          type: 'page',
          id: command.id,
          conversation: nameFor(command.conversation, user.id),
          entries,
          more: false,
        });
      }
      case 'conversations': {
        const last = user.events.at(-1);
        const items =
          last === undefined
            ? []
            : [{ conversation: nameFor(last.conversation, user.id), lastSeq: last.entry.seq, last: last.entry, read: 0, unread: 1 }];
        return this.emit(command, { type: 'conversations', id: command.id, items });
      }
      case 'receipts':
        return this.emit(command, { type: 'receipts', id: command.id, conversation: nameFor(command.conversation, user.id), members: [] });
      case 'info':
        return this.emit(command, { type: 'error', code: 'not-found', message: 'no such group', id: command.id });
      case 'ack':
        return;
      default:
        if (command.id !== undefined) this.emit(command, { type: 'done', id: command.id });
    }
  }

  private connect(user: User, { session, tag, device, cursor }: Of<'connect'>): void {
    const end = user.events.length;
    for (const old of user.connected.filter((other) => other.device === device)) this.sessions.close(old.address, 4501, 'replaced');
    user.connected = [...user.connected.filter((other) => other.device !== device), { address: session, device, live: false }];
    this.sessions.emit(session, tag, { type: 'welcome', user: user.id, device, cursor: cursor ?? end, at: 1 });
    if (cursor !== undefined && cursor > end) this.sessions.emit(session, tag, { type: 'reset', cursor: end, reason: 'ahead' });
  }

  private pull(user: User, command: Of<'pull'>): void {
    const session = user.connected.find(({ address }) => address.id === command.session.id);
    if (session === undefined) return;
    const events = user.events.slice(command.after, command.after + command.limit);
    session.live = events.length === 0;
    for (const event of events) this.emit(command, this.runOf(user, event, false));
    this.emit(command, { type: 'pulled', through: command.after + events.length, end: session.live });
  }

  private submit(user: User, { session, tag, clientId, operation, conversation }: Of<'submit'>): void {
    const body = operation.kind === 'message' ? operation.body : new Uint8Array([0x80]);
    const [one, other] = usersOf(conversation ?? (`${user.id}:${user.id}` as ConversationId));
    const key = `${user.id} ${clientId}`;
    const before = this.answered.get(key);
    if (before !== undefined) return this.sessions.emit(session, tag, { ...before, duplicate: true });
    const sent = this.post(user.id, one === user.id ? other : one, clientId, body, session);
    this.answered.set(key, sent);
    const tell = (): void => this.sessions.emit(session, tag, sent);
    if (this.slow) this.late.push(tell);
    else tell();
  }

  private post(
    from: UserId,
    to: UserId,
    clientId: ClientId,
    body: Uint8Array,
    by?: SessionAddress,
  ): Extract<ServerFrame, { type: 'sent' }> {
    const conversation = (from < to ? `${from}:${to}` : `${to}:${from}`) as ConversationId;
    const seq = (this.seqs.get(conversation) ?? 0) + 1;
    this.seqs.set(conversation, seq);
    const entry = packEntry(seq, from, 1_700_000_000_000, 'message', clientId, body);
    let lsn = 0;
    for (const id of new Set([from, to])) {
      const user = this.user(id);
      const event: Event = { lsn: user.events.length + 1, conversation, entry };
      user.events.push(event);
      if (id === from) lsn = event.lsn;
      for (const { address, live } of user.connected) {
        if (live) this.sessions.emit(address, 0, this.runOf(user, event, address.id === by?.id));
      }
    }
    return { type: 'sent', clientId, conversation: nameFor(conversation, from), seq, lsn, at: entry.at };
  }

  private runOf(user: User, { lsn, conversation, entry }: Event, own: boolean): EventsFrame {
    return { type: 'events', firstLsn: lsn, conversation: nameFor(conversation, user.id), batch: batchOf(conversation, [entry]), own };
  }

  private emit({ session, tag }: SessionCommand, frame: ServerFrame): void {
    this.sessions.emit(session, tag, frame);
  }

  private user(id: UserId): User {
    let user = this.users.get(id);
    if (user === undefined) {
      user = { id, events: [], connected: [] };
      this.users.set(id, user);
    }
    return user;
  }
}
