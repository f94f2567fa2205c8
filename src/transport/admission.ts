import { Failure } from '../failure.ts';
import { isClientId } from '../ids.ts';
import { type Frame, optionalId } from './fields.ts';
import { type Asker, kindOf, typeOf } from './frames.ts';
import type { Requests } from './requests.ts';
import type { Surroundings } from './surroundings.ts';

/** A session that asks its user for something. */
export interface Requester extends Asker {
  readonly requests: Requests;
  /** Answers that were given but not written yet; they count as requests still. */
  readonly unwritten: number;
  nextTag(): number;
}

/**
 * Checks one frame and tells its user, or throws the `Failure` that says why not. Gives the tag of the answer,
 * or 0 where there will be none. `shed`: why no work is taken at this moment.
 */
export function admit(
  around: Surroundings,
  asker: Requester,
  frame: Frame,
  now: number,
  shed: Failure | undefined,
  claim?: (tag: number) => void,
): number {
  const { settings, rates, requests } = around;
  const kind = kindOf(typeOf(frame));
  if (shed !== undefined && kind.answered !== 'never') throw shed;
  if (kind.rate !== undefined) rates.take(kind.rate, asker.user, now);
  const id = optionalId(frame);
  const waits = kind.answered === 'always' || (kind.answered === 'with-id' && id !== undefined);
  const own = asker.requests.size + asker.unwritten;
  const mostOwn = Math.min(settings.requestsPerConnectionMax, requests.mostOfOne(now));
  if (waits && (own >= mostOwn || requests.waiting >= requests.most(now))) {
    throw new Failure('overloaded', 'too many requests wait for their answers', { retryAfterMs: settings.overloadedRetryMs });
  }
  const tag = waits ? asker.nextTag() : 0;
  const command = kind.command(frame, asker, tag);
  if (command.kind === 'watch' || command.kind === 'unwatch') rates.take('watchedPerUser', asker.user, now, command.users.length);
  const { clientId } = frame;
  if (waits) {
    const valid = command.kind === 'submit' || (typeof clientId === 'string' && isClientId(clientId));
    asker.requests.add({ tag, id, clientId: valid ? (clientId as string) : undefined, late: kind.late, since: now });
  }
  // It may be answered before this returns.
  if (waits) claim?.(tag);
  try {
    around.tellUser(asker.user, command);
  } catch (thrown) {
    asker.requests.take(tag);
    throw Failure.from(thrown);
  }
  return tag;
}
