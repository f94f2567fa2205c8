import { generate } from '../generator.ts';
import type { Route, Subject } from '../load/job.ts';
import { userName } from './users.ts';

const AHEAD = 10;
/** Everyone has a conversation with the ten before and the ten after them, and one message in each. */
export const RING_CONVERSATIONS = AHEAD * 2;
const AT_ONCE = 1_000;

/** Makes a ring of users, connected while it is made. */
export async function makeRing(subject: Subject, users: readonly string[]): Promise<void> {
  const routes: Route[] = [];
  for (let step = 1; step <= AHEAD; step++) {
    for (let index = 0; index < users.length; index++) {
      routes.push({ from: users[index] as string, conversation: `@${users[(index + step) % users.length] ?? userName(0)}` });
    }
  }
  await generate(subject, { kind: 'fill', routes, listeners: [], receivers: 1, group: undefined, perRoute: 1, atOnce: AT_ONCE });
}
