import type {
  Body,
  ClientFrame,
  Conversations,
  DeviceState,
  Group,
  Page,
  Receipts,
  Request,
  Role,
  Sent,
  ServerFrame,
  Submission,
  Visibility,
} from './frames.ts';
import type { Pending } from './pending.ts';
import type { Standing } from './standing.ts';

export interface Submitting {
  /** Give one's own to send again what an earlier run of the program may have sent; else a random one is made. */
  readonly clientId?: string;
  readonly timeoutMs?: number;
}

/**
 * What a client can ask for. Each promise is fulfilled with the server's answer or rejected with a `Failure`
 * that carries the code; meanwhile the client asks again as often as connections break or the server says "later".
 */
export interface Calls {
  send(conversation: string, body: Body, options?: Submitting): Promise<Sent>;
  createGroup(
    group: { readonly group?: string; readonly title: string; readonly members: readonly string[] },
    options?: Submitting,
  ): Promise<Sent>;
  addMembers(conversation: string, users: readonly string[], options?: Submitting): Promise<Sent>;
  removeMembers(conversation: string, users: readonly string[], options?: Submitting): Promise<Sent>;
  leaveGroup(conversation: string, options?: Submitting): Promise<Sent>;
  renameGroup(conversation: string, title: string, options?: Submitting): Promise<Sent>;
  setRole(conversation: string, user: string, role: Role, options?: Submitting): Promise<Sent>;
  history(conversation: string, range?: { readonly before?: number; readonly after?: number; readonly limit?: number }): Promise<Page>;
  conversations(range?: { readonly limit?: number; readonly next?: string }): Promise<Conversations>;
  read(conversation: string, seq: number): Promise<void>;
  receipts(conversation: string): Promise<Receipts>;
  groupInfo(conversation: string): Promise<Group>;
  /** Told to those who are connected, if this client is; else forgotten. */
  typing(conversation: string): void;
  /** `presence` comes for each at once and on every change, on this connection and all that follow. */
  watch(users: readonly string[]): Promise<void>;
  unwatch(users: readonly string[]): Promise<void>;
  presence(state: DeviceState): Promise<void>;
  mute(conversation: string, until: number): Promise<void>;
  block(user: string): Promise<void>;
  unblock(user: string): Promise<void>;
  settings(settings: { readonly presence: Visibility }): Promise<void>;
}

export interface CallsOptions {
  readonly pending: Pending;
  readonly standing: Standing;
  readonly write: (frame: ClientFrame) => void;
  readonly order: 'kept' | 'loose';
  readonly sendTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

type WithoutId<Frame> = Frame extends Frame ? Omit<Frame, 'id' | 'clientId'> : never;

export function createCalls({ pending, standing, write, order, sendTimeoutMs, requestTimeoutMs }: CallsOptions): Calls {
  let requests = 0;

  async function submit(frame: WithoutId<Submission>, lane: string, options: Submitting): Promise<Sent> {
    const submission = { ...frame, clientId: options.clientId ?? randomId() } as Submission;
    const timeoutMs = options.timeoutMs ?? sendTimeoutMs;
    return (await pending.ask(submission, { lane: order === 'kept' ? lane : undefined, timeoutMs })) as Sent;
  }

  async function ask<Answer extends ServerFrame>(frame: WithoutId<Request>): Promise<Answer> {
    requests += 1;
    const request = { ...frame, id: `r${requests}` } as Request;
    return (await pending.ask(request, { lane: undefined, timeoutMs: requestTimeoutMs })) as Answer;
  }

  const done = async (frame: WithoutId<Request>): Promise<void> => {
    await ask(frame);
  };

  return {
    send: (conversation, body, options = {}) => submit({ type: 'send', conversation, body }, conversation, options),
    createGroup: (group, options = {}) => submit({ type: 'group.create', ...group }, `#${group.group ?? ''}`, options),
    addMembers: (conversation, users, options = {}) => submit({ type: 'group.add', conversation, users }, conversation, options),
    removeMembers: (conversation, users, options = {}) => submit({ type: 'group.remove', conversation, users }, conversation, options),
    leaveGroup: (conversation, options = {}) => submit({ type: 'group.leave', conversation }, conversation, options),
    renameGroup: (conversation, title, options = {}) => submit({ type: 'group.rename', conversation, title }, conversation, options),
    setRole: (conversation, user, role, options = {}) => submit({ type: 'group.role', conversation, user, role }, conversation, options),
    history: (conversation, range = {}) => ask({ type: 'history', conversation, ...range }),
    conversations: (range = {}) => ask({ type: 'conversations', ...range }),
    read: (conversation, seq) => done({ type: 'read', conversation, seq }),
    receipts: (conversation) => ask({ type: 'receipts', conversation }),
    groupInfo: (conversation) => ask({ type: 'group.info', conversation }),
    typing: (conversation) => write({ type: 'typing', conversation }),
    watch(users) {
      standing.watch(users);
      return done({ type: 'watch', users });
    },
    unwatch(users) {
      standing.unwatch(users);
      return done({ type: 'unwatch', users });
    },
    presence(state) {
      standing.presence(state);
      return done({ type: 'presence', state });
    },
    mute: (conversation, until) => done({ type: 'mute', conversation, until }),
    block: (user) => done({ type: 'block', user }),
    unblock: (user) => done({ type: 'unblock', user }),
    settings: (settings) => done({ type: 'settings', ...settings }),
  };
}

/** 20 characters of 32: no two alike in any number of clients, whatever `Math.random` was seeded with. */
const randomId = (): string => Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => (byte % 32).toString(32)).join('');
