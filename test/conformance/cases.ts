import type { Test } from 'tap';
import type { Frame } from '../support/raw-client.ts';
import type { Device } from './device.ts';

/** What a case has to work with: users of its own, each connected as often as it likes. */
export interface Scene {
  readonly t: Test;
  /** A user's full id, unlike that of any other case. */
  name(user: string): string;
  /** The user's direct conversation as others name it. */
  at(user: string): string;
  open(user: string, options?: { readonly device?: string; readonly cursor?: number }): Promise<Device>;
}

export type Cases = Readonly<Record<string, (scene: Scene) => Promise<void>>>;

let clientIds = 0;

export const send = (conversation: string, text = 'hello', clientId = `k-${++clientIds}`): Frame => ({
  type: 'send',
  conversation,
  clientId,
  body: { text },
});

/** Sends so many, one after the other, and gives their answers. */
export async function sendMany(device: Device, conversation: string, count: number): Promise<readonly Frame[]> {
  const sents: Frame[] = [];
  for (let i = 0; i < count; i++) sents.push(await device.ask(send(conversation, `m${i}`)));
  return sents;
}

/** An operation on a group. */
export const change = (type: string, fields: object): Frame => ({ type: `group.${type}`, clientId: `k-${++clientIds}`, ...fields });

let requests = 0;

/** A request that is named by an id. */
export const request = (type: string, fields: object = {}): Frame => ({ type, id: `r-${++requests}`, ...fields });

export const seqs = (page: Frame): readonly number[] => (page['entries'] as readonly { readonly seq: number }[]).map(({ seq }) => seq);
