import type { Reading } from '../cluster/actor.ts';
import { together } from '../cluster/together.ts';
import { type ConversationId, isGroup } from '../ids.ts';
import { recall } from './acknowledging.ts';
import { lookFor, readFilters } from './answered.ts';
import { lineOf, wholeList } from './conversation-list.ts';
import { restoreHosted } from './hosted-rows.ts';
import { recount } from './item.ts';
import type { HostCommand, UserCommand } from './messages.ts';
import type { User } from './user-state.ts';

/**
 * What of a user must be read before `command` can be decided; undefined: nothing. An activation begins with the user's
 * own row and what came after it, so that a login costs little however long the conversation list is; lines of that list,
 * the index of client ids and hosted conversations come when they are needed.
 */
export function loadFor(user: User, command: UserCommand): Reading<void> | undefined {
  switch (command.kind) {
    case 'submit': {
      const { conversation, clientId } = command;
      const looked = lookFor(user.answered, user.id, clientId);
      // Its entry will come back, so the line comes along.
      return looked === undefined || conversation === undefined ? looked : together(looked, lineOf(user, conversation));
    }
    case 'deliver': {
      const { conversation, entries } = command.batch;
      const own = user.answered.unread > 0 && entries.some(({ from }) => from === user.id);
      const filters = own ? readFilters(user.answered, user.id) : undefined;
      return together(lineOf(user, conversation), filters);
    }
    case 'post':
      return together(hostedFor(user, command.conversation), lineOf(user, command.conversation));
    case 'read': {
      const line = lineOf(user, command.conversation);
      const item = user.items.get(command.conversation);
      return line ?? (item === undefined ? undefined : recount(item, user.id, Math.min(command.seq, item.lastSeq)));
    }
    case 'receipt':
      return isGroup(command.conversation) ? undefined : lineOf(user, command.conversation);
    case 'history':
    case 'mute':
    case 'receipts':
    case 'info':
    case 'typing':
    case 'peer-hidden':
      return lineOf(user, command.conversation);
    case 'conversations':
      return wholeList(user);
    case 'ack':
      return recall(user, command.cursor);
    case 'settings':
      // Who is a contact stands in the list.
      return command.presence === 'contacts' ? wholeList(user) : undefined;
    default:
      return isForHost(command) ? hostedFor(user, command.conversation) : undefined;
  }
}

const hostedFor = (user: User, conversation: ConversationId): Reading<void> | undefined =>
  user.hosted?.has(conversation) ? undefined : loadHosted(user, conversation);

export function isForHost(command: UserCommand): command is HostCommand {
  switch (command.kind) {
    case 'post':
    case 'ask-settled':
    case 'confirm':
    case 'missing':
    case 'mark':
    case 'typed':
    case 'list-receipts':
    case 'list-members':
    case 'bar':
      return true;
    default:
      return false;
  }
}

function* loadHosted(user: User, conversation: ConversationId): Reading<void> {
  const hosted = yield* restoreHosted(conversation);
  user.hosted ??= new Map();
  user.hosted.set(conversation, hosted);
}
