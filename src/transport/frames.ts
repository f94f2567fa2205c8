import type { DeviceState, Operation, Role, SessionCommand, Visibility } from '../actors/messages.ts';
import type { SessionAddress } from '../cluster/actor.ts';
import { Failure } from '../failure.ts';
import { type ConversationId, type DeviceId, type GroupId, groupConversation, type UserId } from '../ids.ts';
import { packBody } from './body.ts';
import { Oversize } from './codec.ts';
import {
  badField,
  choiceOf,
  clientIdOf,
  conversationOf,
  type Frame,
  groupOf,
  idOf,
  integerOf,
  nameOf,
  optionalId,
  optionalInteger,
  textOf,
  usersIn,
} from './fields.ts';
import type { GatewaySettings, RateSettings } from './settings.ts';

/** Who sent a frame: what a command takes from there. */
export interface Asker {
  readonly address: SessionAddress;
  readonly user: UserId;
  readonly device: DeviceId;
  readonly settings: GatewaySettings;
  /** The conversation that was sent to last: most sends are for the same, which saves making its id. */
  lastSentTo?: { readonly name: string; readonly id: ConversationId } | undefined;
}

/** What the gateway knows of one type of frame. */
export interface FrameKind {
  /** The bucket that pays for it, beside that of the connection. */
  readonly rate: keyof RateSettings | undefined;
  readonly answered: 'always' | 'with-id' | 'never';
  /** What the client is told when no answer comes in time: `timeout` where it may have been done. */
  readonly late: 'timeout' | 'unavailable';
  /** Checks the frame's fields; throws a `Failure` that names the field and the limit. */
  readonly command: (frame: Frame, asker: Asker, tag: number) => SessionCommand;
}

const PAGE_ENTRIES = 50;
const CURSOR_CHARS_MAX = 512;
const ROLES: readonly Role[] = ['owner', 'admin', 'member'];
const DEVICE_STATES: readonly DeviceState[] = ['online', 'away'];
const VISIBILITIES: readonly Visibility[] = ['everyone', 'contacts', 'nobody'];

function limitOf(frame: Frame, settings: GatewaySettings): number {
  const limit = optionalInteger(frame, 'limit') ?? PAGE_ENTRIES;
  if (limit === 0) throw badField('limit', 'at least 1');
  return Math.min(limit, settings.pageEntriesMax);
}

function submit(
  operation: (frame: Frame, asker: Asker) => Operation,
  conversation: (frame: Frame, asker: Asker) => ConversationId | undefined,
): FrameKind['command'] {
  return (frame, asker, tag) => ({
    kind: 'submit',
    session: asker.address,
    tag,
    conversation: conversation(frame, asker),
    clientId: clientIdOf(frame),
    operation: operation(frame, asker),
  });
}

function sentTo(frame: Frame, asker: Asker): ConversationId {
  const name = frame['conversation'];
  if (asker.lastSentTo === undefined || asker.lastSentTo.name !== name) {
    const id = conversationOf(frame, asker.user);
    asker.lastSentTo = { name: name as string, id };
  }
  return asker.lastSentTo.id;
}

const change = (
  operation: (frame: Frame, asker: Asker) => Operation,
  conversation: (frame: Frame, asker: Asker) => ConversationId | undefined = (frame, { user }) => groupOf(frame, user),
): FrameKind => ({
  rate: 'groupChangesPerUser',
  answered: 'always',
  late: 'timeout',
  command: submit(operation, conversation),
});

const look = (command: FrameKind['command']): FrameKind => ({ rate: 'readsPerUser', answered: 'always', late: 'unavailable', command });
const set = (command: FrameKind['command']): FrameKind => ({ rate: 'settingsPerUser', answered: 'always', late: 'timeout', command });
const tell = (rate: FrameKind['rate'], command: FrameKind['command']): FrameKind => ({
  rate,
  answered: 'with-id',
  late: 'unavailable',
  command,
});

const users =
  (least: number, field = 'users') =>
  (frame: Frame, asker: Asker) =>
    usersIn(frame, field, least, asker.settings.groupMembersMax);
const title = (frame: Frame, asker: Asker): string => textOf(frame, 'title', asker.settings.titleCharsMax);
const named = (frame: Frame): ConversationId | undefined =>
  frame['group'] === undefined ? undefined : groupConversation(nameOf<GroupId>(frame, 'group'));

/** Every frame that becomes a command as it is; `hello` and `ping` are the session's own. */
export const FRAMES: ReadonlyMap<string, FrameKind> = new Map<string, FrameKind>([
  [
    'send',
    {
      rate: 'sendsPerUser',
      answered: 'always',
      late: 'timeout',
      command: submit((frame, asker) => ({ kind: 'message', body: packBody(frame['body'], asker.settings) }), sentTo),
    },
  ],
  [
    'ack',
    {
      rate: undefined,
      answered: 'never',
      late: 'unavailable',
      command: (frame, asker, tag) => ({
        kind: 'ack',
        session: asker.address,
        tag,
        device: asker.device,
        cursor: integerOf(frame, 'cursor'),
      }),
    },
  ],
  [
    'history',
    look((frame, asker, tag) => {
      const before = optionalInteger(frame, 'before');
      const after = optionalInteger(frame, 'after');
      if (before !== undefined && after !== undefined) throw badField('before', 'without after: a page goes one way');
      return {
        kind: 'history',
        session: asker.address,
        tag,
        id: idOf(frame),
        conversation: conversationOf(frame, asker.user),
        before,
        after,
        limit: limitOf(frame, asker.settings),
      };
    }),
  ],
  [
    'conversations',
    look((frame, asker, tag) => {
      const next = frame['next'] === undefined ? undefined : textOf(frame, 'next', CURSOR_CHARS_MAX);
      return { kind: 'conversations', session: asker.address, tag, id: idOf(frame), limit: limitOf(frame, asker.settings), next };
    }),
  ],
  [
    'receipts',
    look((frame, asker, tag) => ({
      kind: 'receipts',
      session: asker.address,
      tag,
      id: idOf(frame),
      conversation: conversationOf(frame, asker.user),
    })),
  ],
  [
    'group.info',
    look((frame, asker, tag) => ({ kind: 'info', session: asker.address, tag, id: idOf(frame), conversation: groupOf(frame, asker.user) })),
  ],
  [
    'read',
    tell('readsPerUser', (frame, asker, tag) => ({
      kind: 'read',
      session: asker.address,
      tag,
      conversation: conversationOf(frame, asker.user),
      seq: integerOf(frame, 'seq'),
      id: optionalId(frame),
    })),
  ],
  [
    'typing',
    tell('typingPerUser', (frame, asker, tag) => ({
      kind: 'typing',
      session: asker.address,
      tag,
      conversation: conversationOf(frame, asker.user),
      id: optionalId(frame),
    })),
  ],
  [
    'presence',
    tell('settingsPerUser', (frame, asker, tag) => ({
      kind: 'presence',
      session: asker.address,
      tag,
      device: asker.device,
      state: choiceOf(frame, 'state', DEVICE_STATES),
      id: optionalId(frame),
    })),
  ],
  [
    'watch',
    tell('settingsPerUser', (frame, asker, tag) => ({
      kind: 'watch',
      session: asker.address,
      tag,
      users: usersIn(frame, 'users', 1, asker.settings.watchMax),
      id: optionalId(frame),
    })),
  ],
  [
    'unwatch',
    tell('settingsPerUser', (frame, asker, tag) => ({
      kind: 'unwatch',
      session: asker.address,
      tag,
      users: usersIn(frame, 'users', 1, asker.settings.watchMax),
      id: optionalId(frame),
    })),
  ],
  [
    'group.create',
    change((frame, asker) => ({ kind: 'created', title: title(frame, asker), members: users(0, 'members')(frame, asker) }), named),
  ],
  ['group.add', change((frame, asker) => ({ kind: 'added', users: users(1)(frame, asker) }))],
  ['group.remove', change((frame, asker) => ({ kind: 'removed', users: users(1)(frame, asker) }))],
  ['group.leave', change(() => ({ kind: 'left' }))],
  ['group.rename', change((frame, asker) => ({ kind: 'renamed', title: title(frame, asker) }))],
  ['group.role', change((frame) => ({ kind: 'role', user: nameOf<UserId>(frame, 'user'), role: choiceOf(frame, 'role', ROLES) }))],
  [
    'mute',
    set((frame, asker, tag) => ({
      kind: 'mute',
      session: asker.address,
      tag,
      conversation: conversationOf(frame, asker.user),
      until: integerOf(frame, 'until'),
      id: idOf(frame),
    })),
  ],
  ['block', set((frame, asker, tag) => ({ kind: 'block', session: asker.address, tag, user: other(frame, asker), id: idOf(frame) }))],
  ['unblock', set((frame, asker, tag) => ({ kind: 'unblock', session: asker.address, tag, user: other(frame, asker), id: idOf(frame) }))],
  [
    'settings',
    set((frame, asker, tag) => ({
      kind: 'settings',
      session: asker.address,
      tag,
      presence: choiceOf(frame, 'presence', VISIBILITIES),
      id: idOf(frame),
    })),
  ],
]);

function other(frame: Frame, asker: Asker): UserId {
  const user = nameOf<UserId>(frame, 'user');
  if (user === asker.user) throw badField('user', 'somebody else');
  return user;
}

/** The frame's type, for one that is a frame at all. */
export function typeOf(frame: unknown): string {
  if (frame instanceof Oversize) throw new Failure('too-large', 'the frame has too many bytes (frameBytesMax)');
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame))
    throw new Failure('bad-frame', 'a frame must be an object with a type');
  const { type } = frame as Frame;
  if (typeof type !== 'string') throw badField('type', 'a string');
  return type;
}

export function kindOf(type: string): FrameKind {
  const kind = FRAMES.get(type);
  if (kind === undefined)
    throw new Failure('unknown-type', `no frame has the type ${JSON.stringify(type.slice(0, 64))}; PROTOCOL.md lists them`);
  return kind;
}

export interface Hello {
  readonly token: string;
  readonly device: DeviceId;
  readonly cursor: number | undefined;
}

const TOKEN_CHARS_MAX = 8192;

export function helloOf(frame: Frame): Hello {
  return {
    token: textOf(frame, 'token', TOKEN_CHARS_MAX),
    device: nameOf<DeviceId>(frame, 'device'),
    cursor: optionalInteger(frame, 'cursor'),
  };
}
