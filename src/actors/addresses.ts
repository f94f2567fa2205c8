import type { Address } from '../cluster/actor.ts';
import { type ConversationId, isGroup, type UserId, usersOf } from '../ids.ts';

export const userAddress = (id: string): Address => ({ kind: 'user', id });

const NOBODY = userAddress('');

/** Messages of one conversation come together, so its host is worked out once for all of them. */
let last: { readonly conversation: ConversationId; readonly host: Address } = { conversation: '' as ConversationId, host: NOBODY };

/** Whose actor hosts a conversation: the group's, or that of one of the two users, chosen by hash so that the work spreads evenly. */
export function hostOf(conversation: ConversationId): Address {
  if (conversation !== last.conversation) last = { conversation, host: hostFor(conversation) };
  return last.host;
}

function hostFor(conversation: ConversationId): Address {
  if (isGroup(conversation)) return { kind: 'group', id: conversation.slice(1) };
  const [one, other] = usersOf(conversation);
  let hash = 0;
  for (let i = 0; i < conversation.length; i++) hash = (Math.imul(hash, 31) + conversation.charCodeAt(i)) | 0;
  return userAddress(((hash ^ (hash >>> 15)) & 1) === 0 ? one : other);
}

export const hosts = (user: UserId, conversation: ConversationId): boolean => {
  const host = hostOf(conversation);
  return host.kind === 'user' && host.id === user;
};
