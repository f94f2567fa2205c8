import { Failure } from '../failure.ts';
import { type ClientId, type ConversationId, conversationNamed, isClientId, isName, type UserId } from '../ids.ts';

/** A decoded frame of a client, before anyone has looked at its fields. */
export type Frame = Readonly<Record<string, unknown>>;

const NAME = '1 to 64 of A-Z a-z 0-9 . _ -';
const LONE_SURROGATE = /\p{Surrogate}/u;

export const badField = (field: string, must: string): Failure => new Failure('bad-field', `${field} must be ${must}`);

/** Text that UTF-8 can carry: no half of a surrogate pair on its own. */
export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text);

export function textOf(frame: Frame, field: string, charsMax: number): string {
  const value = frame[field];
  if (typeof value !== 'string' || value.length === 0) throw badField(field, `text of 1 to ${charsMax} characters`);
  if (!isWellFormed(value)) throw badField(field, 'valid Unicode, without lone surrogates');
  if (value.length > charsMax && [...value].length > charsMax)
    throw new Failure('too-large', `${field} has more than ${charsMax} characters`);
  return value;
}

export function integerOf(frame: Frame, field: string): number {
  const value = frame[field];
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw badField(field, 'an integer from 0 to 2^53 - 1');
}

export const optionalInteger = (frame: Frame, field: string): number | undefined =>
  frame[field] === undefined ? undefined : integerOf(frame, field);

export function nameOf<Id extends string>(frame: Frame, field: string): Id {
  const value = frame[field];
  if (typeof value === 'string' && isName(value)) return value as Id;
  throw badField(field, NAME);
}

export function clientIdOf(frame: Frame): ClientId {
  const value = frame['clientId'];
  if (typeof value === 'string' && isClientId(value)) return value as ClientId;
  throw badField('clientId', '1 to 64 printable ASCII characters');
}

export function optionalId(frame: Frame): string | undefined {
  const value = frame['id'];
  if (value === undefined || (typeof value === 'string' && isClientId(value))) return value;
  throw badField('id', '1 to 64 printable ASCII characters');
}

export function idOf(frame: Frame): string {
  const id = optionalId(frame);
  if (id === undefined) throw badField('id', 'there: 1 to 64 printable ASCII characters that name the request');
  return id;
}

export function conversationOf(frame: Frame, reader: UserId): ConversationId {
  const value = frame['conversation'];
  const conversation = typeof value === 'string' ? conversationNamed(value, reader) : undefined;
  if (conversation === undefined) throw badField('conversation', `@user or #group, where a name is ${NAME}`);
  return conversation;
}

export function groupOf(frame: Frame, reader: UserId): ConversationId {
  const conversation = conversationOf(frame, reader);
  if (!conversation.startsWith('#')) throw badField('conversation', 'a group: #group');
  return conversation;
}

/** Each user once, in the order given. */
export function usersIn(frame: Frame, field: string, least: number, most: number): readonly UserId[] {
  const value = frame[field];
  if (!Array.isArray(value) || value.length < least) throw badField(field, `a list of ${least} to ${most} users`);
  for (const user of value as unknown[]) {
    if (typeof user !== 'string' || !isName(user)) throw badField(field, `a list of users, each ${NAME}`);
  }
  const each = [...new Set(value as UserId[])];
  if (each.length > most) throw new Failure('limit', `${field} names more than ${most} users`);
  return each;
}

export function choiceOf<Choice extends string>(frame: Frame, field: string, choices: readonly Choice[]): Choice {
  const value = frame[field];
  if (choices.includes(value as Choice)) return value as Choice;
  throw badField(field, `one of ${choices.join(', ')}`);
}

/** What an answer or an error gives back of the frame it belongs to (PROTOCOL 3.4.2). */
export function namesOf(frame: unknown): { id?: string; clientId?: string } {
  if (typeof frame !== 'object' || frame === null) return {};
  const { id, clientId } = frame as Frame;
  return {
    ...(typeof id === 'string' && isClientId(id) ? { id } : {}),
    ...(typeof clientId === 'string' && isClientId(clientId) ? { clientId } : {}),
  };
}
