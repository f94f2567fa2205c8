import type { Address, Effect, SessionAddress } from '../cluster/actor.ts';
import type { Failure } from '../failure.ts';
import { hostOf, userAddress } from './addresses.ts';
import type { Asked, ErrorFrame, GroupCommand, HostCommand, MemberCommand, Refusal, ServerFrame, UserCommand } from './messages.ts';

type When = 'ordered' | 'stored';

const NOTHING: readonly never[] = [];

export const tellHost = (command: HostCommand, when: When = 'stored'): Effect => ({
  kind: 'tell',
  to: hostOf(command.conversation),
  command,
  when,
});

export const tellMember = (to: Address, command: MemberCommand, when: When = 'stored'): Effect => ({ kind: 'tell', to, command, when });

/** An answer. */
export const answer = ({ session, tag }: Asked, frame: ServerFrame): Effect => ({ kind: 'emit', session, tag, frame });

/** What a session is told unasked. */
export const push = (session: SessionAddress, frame: ServerFrame): Effect => ({ kind: 'emit', session, tag: 0, frame });

export const alarm = (afterMs: number): Effect => ({ kind: 'alarm', afterMs });

/** A failure as the frame that tells it. */
export function errorFrame(
  { code, message, retryAfterMs }: Refusal,
  names: { readonly id?: string | undefined; readonly clientId?: string | undefined },
): ErrorFrame {
  return {
    type: 'error',
    code,
    message,
    ...(names.id === undefined ? {} : { id: names.id }),
    ...(names.clientId === undefined ? {} : { clientId: names.clientId }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The answer to a command that won't be decided, where somebody waits for one. */
export function refuse(command: UserCommand | GroupCommand, failure: Failure): readonly Effect[] {
  const { code, message, retryAfterMs } = failure;
  switch (command.kind) {
    case 'post':
      return [tellMember(userAddress(command.from), { kind: 'refused', clientId: command.clientId, code, message, retryAfterMs })];
    case 'bar':
      return [tellMember(userAddress(command.by), { kind: 'bar-refused', bar: command, code, message, retryAfterMs })];
    case 'submit':
      return [answer(command, errorFrame(failure, { clientId: command.clientId }))];
    default:
      if (!('session' in command)) return NOTHING;
      return [answer(command, errorFrame(failure, { id: 'id' in command ? command.id : undefined }))];
  }
}
