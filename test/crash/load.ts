import { setTimeout as delay } from 'node:timers/promises';
import type { Cast, GroupPlan, Person } from './cast.ts';
import type { TestDevice, TestSubmission } from './device.ts';
import type { Random } from './random.ts';

/** What one person does on one device until `stopped`. */
export interface Part {
  readonly person: Person;
  readonly device: TestDevice;
  /** All devices of that person, this one too. */
  readonly own: readonly TestDevice[];
  readonly random: Random;
  readonly stopped: AbortSignal;
}

const PAUSE_MS = 120;

/** Writes and reads, now and then the same thing twice, or on two devices at once. */
export async function chat(cast: Cast, { person, device, own, random, stopped }: Part, worker: number): Promise<void> {
  const sent: TestSubmission[] = [];
  for (let count = 1; !stopped.aborted; count++) {
    const clientId = `${device.name}-${worker}-${count}`;
    const text = `${person.name} ${clientId}`.padEnd(random.between(0, 200), '.');
    const submission: TestSubmission = { clientId, conversation: whereTo(cast, person, random), entry: 'message', body: { text } };
    const asked = [device.submit(submission)];
    if (random.chance(0.02)) asked.push(random.pick(own).submit(submission));
    if (random.chance(0.03) && sent.length > 0) asked.push(random.pick(own).submit(random.pick(sent)));
    await Promise.all(asked);
    sent.push(submission);
    const news = [...device.newest];
    if (news.length > 0 && random.chance(0.3)) device.read(...random.pick(news));
    await delay(random.next() * PAUSE_MS);
  }
}

function whereTo(cast: Cast, person: Person, random: Random): string {
  const what = random.next();
  if (what < 0.2) return person.groups.length > 0 ? random.pick(person.groups) : `@${person.peer}`;
  if (what < 0.22 && cast.groups.length > 0) return `#${random.pick(cast.groups).id}`; // as a guest, or as a stranger
  if (what < 0.28) return `@${random.pick(cast.users).name}`;
  if (what < 0.31) return `@${person.name}`;
  return `@${person.peer}`;
}

/** The owner of a group lets guests in and out, and gives it new names. */
export async function manage(group: GroupPlan, { device, random, stopped }: Part): Promise<void> {
  const conversation = `#${group.id}`;
  for (let count = 1; !stopped.aborted; count++) {
    const entry = random.pick(['added', 'removed', 'renamed'] as const);
    const body =
      entry === 'renamed'
        ? { title: `${group.id} ${count}` }
        : { users: group.guests.filter((_, index) => index === 0 || random.chance(0.5)) };
    await device.submit({ clientId: `${group.id}-${count}`, conversation, entry, body });
    await delay(random.next() * 3 * PAUSE_MS);
  }
}

/** Mutes conversations for other times, or no longer. */
export async function setMutes({ person, device, random, stopped }: Part): Promise<void> {
  const hour = 3_600_000;
  for (let count = 1; !stopped.aborted; count++) {
    const conversation = random.pick([`@${person.peer}`, ...person.groups]);
    await device.mute(conversation, random.chance(0.2) ? 0 : Date.now() + hour + count);
    await delay(random.next() * 8 * PAUSE_MS);
  }
}

/** The device's program dies now and then. */
export async function stumble({ device, random, stopped }: Part): Promise<void> {
  while (!stopped.aborted) {
    await delay(random.next() * 6_000, undefined, { signal: stopped }).catch(() => {});
    if (!stopped.aborted) await device.restart();
  }
}
