/** Branded ids: the same strings as on the wire, but the compiler keeps them apart. */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type UserId = Branded<'user'>;
export type DeviceId = Branded<'device'>;
/** The sender's own id for a send, and its idempotency key. */
export type ClientId = Branded<'client'>;
/**
 * A conversation's one id inside the server. Direct: both user ids, sorted, joined by `:`
 * (a notebook is `alice:alice`). Group: `#` and the group's id. Neither separator can occur in an id.
 */
export type ConversationId = Branded<'conversation'>;
export type GroupId = Branded<'group'>;

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const CLIENT_ID = /^[\x20-\x7e]{1,64}$/;

export const isName = (value: string): boolean => NAME.test(value);
export const isClientId = (value: string): boolean => CLIENT_ID.test(value);

/** The id inside of the direct conversation of two users, the same whoever asks. */
export const directId = (one: UserId, other: UserId): ConversationId =>
  (one < other ? `${one}:${other}` : `${other}:${one}`) as ConversationId;

export const groupConversation = (group: GroupId): ConversationId => `#${group}` as ConversationId;

export const isGroup = (id: ConversationId): boolean => id.charCodeAt(0) === 35;

/** The two users of a direct conversation, as sorted in its id; equal for a notebook. */
export function usersOf(id: ConversationId): readonly [UserId, UserId] {
  const colon = id.indexOf(':');
  return [id.slice(0, colon) as UserId, id.slice(colon + 1) as UserId];
}

/** The other user of a direct conversation; oneself in a notebook. */
export function peerOf(id: ConversationId, reader: UserId): UserId {
  const colon = id.indexOf(':');
  const first = id.slice(0, colon);
  return (first === reader ? id.slice(colon + 1) : first) as UserId;
}

/** A conversation as its reader sees it: `@bob`, `#team`. */
export function nameFor(id: ConversationId, reader: UserId): string {
  if (isGroup(id)) return id;
  if (id !== lastNamed.id || reader !== lastNamed.reader) lastNamed = { id, reader, name: `@${peerOf(id, reader)}` };
  return lastNamed.name;
}

/** Frames of one conversation for one reader come together, so its name is made once for all of them. */
let lastNamed = { id: '' as ConversationId, reader: '' as UserId, name: '' };

/** The reverse of `nameFor`; undefined where the name has no such form. */
export function conversationNamed(name: string, reader: UserId): ConversationId | undefined {
  const id = name.slice(1);
  if (!NAME.test(id)) return undefined;
  if (name.charCodeAt(0) === 64) return directId(reader, id as UserId);
  return name.charCodeAt(0) === 35 ? (name as ConversationId) : undefined;
}
