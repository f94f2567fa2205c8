import { canonical, getOrAdd, type Located, type Observed, sendKey, toldOf } from '../observed.ts';
import type { Seen } from '../record.ts';
import type { Report, Rule } from '../violation.ts';

/** All members read a conversation in the same order; per sender, in the order sent. */
export const sameOrder: Rule = {
  name: 'same-order',
  find(observed, report) {
    sameEntries(observed, report);
    sameEvents(observed, report);
    ascending(observed, report);
    asSent(observed, report);
  },
};

/** Whoever sees an entry sees the same one. */
function sameEntries({ conversations }: Observed, report: Report): void {
  for (const [conversation, entries] of conversations) {
    for (const [seq, sightings] of entries) {
      const [first] = sightings;
      const whole = sightings.find(({ entry }) => entry.body !== undefined);
      const other = sightings.find(({ entry }) => first !== undefined && identity(entry) !== identity(first.entry));
      if (first !== undefined && other !== undefined) {
        report(`${first.user} and ${other.user} read different entries at ${conversation} ${seq}`, shown(first), shown(other));
      }
      const changed = sightings.find(({ entry }) => entry.body !== undefined && whole !== undefined && !sameBody(entry, whole.entry));
      if (whole !== undefined && changed !== undefined) {
        report(`${whole.user} and ${changed.user} read different bodies at ${conversation} ${seq}`, shown(whole), shown(changed));
      }
    }
  }
}

/** All devices of a user have the same event under an lsn. */
function sameEvents({ devices }: Observed, report: Report): void {
  const events = new Map<string, { readonly conversation: string; readonly seq: number; readonly where: string }>();
  const differing = new Set<string>();
  for (const device of devices) {
    for (const told of toldOf(device)) {
      const first = getOrAdd(events, `${device.user} ${told.lsn}`, () => told);
      if (differing.has(device.user) || (first.conversation === told.conversation && first.seq === told.seq)) continue;
      differing.add(device.user);
      report(`${device.user} was told two events as ${told.lsn}`, first, told);
    }
  }
}

/** In an inbox a conversation's entries ascend. */
function ascending({ inboxes }: Observed, report: Report): void {
  for (const [user, { events }] of inboxes) {
    const last = new Map<string, Located<'event'>>();
    for (const event of [...events].sort((one, other) => one.lsn - other.lsn)) {
      const before = last.get(event.conversation);
      if (before !== undefined && before.seq > event.seq) {
        report(`${user} reads ${event.conversation} ${event.seq} after ${before.seq}`, before, event);
      }
      last.set(event.conversation, event);
    }
  }
}

/**
 * What one device sends to one conversation stands in the order it was sent: always where the earlier was
 * answered before the later was asked, and else where no error of the earlier let the later overtake it.
 */
function asSent({ devices, invocations, conversations }: Observed, report: Report): void {
  const seqs = new Map<string, number>();
  for (const entries of conversations.values()) {
    for (const [seq, [sighting]] of entries) {
      if (sighting?.entry.clientId !== undefined) seqs.set(sendKey(sighting.entry.from, sighting.entry.clientId), seq);
    }
  }
  for (const device of devices) {
    const refused = new Set(device.records.flatMap((record) => (record.kind === 'refused' ? [record.clientId] : [])));
    const answered = new Set<string>();
    const asked = new Map<string, Sent[]>();
    for (const record of device.records) {
      if (record.kind === 'answer' && record.outcome === 'sent') answered.add(record.clientId);
      if (record.kind !== 'invoke') continue;
      const key = sendKey(device.user, record.clientId);
      const seq = seqs.get(key);
      // What was sent again by the application may stand wherever the first attempt came to.
      if (seq === undefined || invocations.get(key)?.length !== 1) continue;
      const before = getOrAdd(asked, canonical(device.user, record.conversation), () => []);
      const overtaken = before.find(
        (earlier) => earlier.seq > seq && (answered.has(earlier.invoke.clientId) || !refused.has(earlier.invoke.clientId)),
      );
      if (overtaken !== undefined) {
        const { invoke } = overtaken;
        report(
          `${device.user} sent ${invoke.clientId} before ${record.clientId}, but their seqs are ${overtaken.seq} and ${seq}`,
          invoke,
          record,
        );
      }
      before.push({ invoke: record, seq });
    }
  }
}

interface Sent {
  readonly invoke: Located<'invoke'>;
  readonly seq: number;
}

const identity = ({ from, at, entry, clientId }: Seen): string => `${from} ${at} ${entry} ${clientId}`;
const sameBody = (one: Seen, other: Seen): boolean => stable(one.body) === stable(other.body);
const shown = ({ where, entry }: { where: string; entry: Seen }): { where: string } => ({ ...entry, where });

/** The same text for equal values, whatever the order of their keys. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner,
  );
}
