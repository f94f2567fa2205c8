import { membersOf, seqsOf } from '../membership.ts';
import { canonical, type Device, type Located, type Observed, sendKey, toldOf } from '../observed.ts';
import type { Report, Rule } from '../violation.ts';

/** Each acknowledged send is in the conversation once, and in each member's inbox once; and what was told stays true. */
export const ackedIsStored: Rule = {
  name: 'acked-is-stored',
  find(observed, report) {
    const acknowledged = new Map<string, Acknowledged>();
    for (const device of observed.devices) {
      for (const record of device.records) {
        const sent = record.kind === 'sent' || (record.kind === 'answer' && record.outcome === 'sent') ? record : undefined;
        if (sent === undefined) continue;
        const key = sendKey(device.user, sent.clientId);
        const first = acknowledged.get(key);
        if (first === undefined) acknowledged.set(key, { device, sent });
        else if (place(first.sent) !== place(sent)) report(`${sent.clientId} of ${device.user} was answered differently`, first.sent, sent);
      }
      toldIsKept(observed, device, report);
      refusedIsAbsent(observed, device, report);
    }
    const needed = new Map<string, ReadonlyMap<string, ReadonlySet<number>>>();
    for (const [conversation, entries] of observed.conversations)
      needed.set(conversation, seqsByMember(observed, conversation, Math.max(...entries.keys())));
    const inboxes = new Map([...observed.inboxes].map(([user, { events }]) => [user, countByEntry(user, events)]));
    for (const one of acknowledged.values()) check(observed, one, needed, inboxes, report);
  },
};

type SentRecord = Located<'sent'> | Extract<Located<'answer'>, { outcome: 'sent' }>;

interface Acknowledged {
  readonly device: Device;
  readonly sent: SentRecord;
}

const place = ({ conversation, seq, lsn, at }: SentRecord): string => `${conversation} ${seq} ${lsn} ${at}`;

function check(
  observed: Observed,
  { device: { user }, sent }: Acknowledged,
  needed: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<number>>>,
  inboxes: ReadonlyMap<string, ReadonlyMap<string, number>>,
  report: Report,
): void {
  const conversation = canonical(user, sent.conversation);
  const name = `${sent.clientId} of ${user}`;
  const sightings = observed.conversations.get(conversation)?.get(sent.seq) ?? [];
  const other = sightings.find(({ entry }) => entry.from !== user || entry.clientId !== sent.clientId || entry.at !== sent.at);
  if (other !== undefined)
    report(`${name} was acknowledged as ${conversation} ${sent.seq}, where something else stands`, sent, {
      ...other.entry,
      where: other.where,
    });
  for (const invoke of observed.invocations.get(sendKey(user, sent.clientId)) ?? []) {
    const changed = sightings.find(
      ({ entry }) => entry.entry === 'message' && entry.body !== undefined && JSON.stringify(entry.body) !== JSON.stringify(invoke.body),
    );
    if (changed !== undefined) report(`${name} was stored with another body`, invoke, { ...changed.entry, where: changed.where });
  }
  for (const [member, seqs] of needed.get(conversation) ?? []) {
    const inbox = inboxes.get(member);
    const times = inbox?.get(`${conversation} ${sent.seq}`) ?? 0;
    if (inbox !== undefined && seqs.has(sent.seq) && times !== 1)
      report(`${name} was acknowledged and is ${times} times in the inbox of ${member}`, sent);
    const history = observed.histories.get(member)?.get(conversation);
    const stay = membersOf(observed, conversation).get(member)?.at(-1);
    if (history === undefined || stay === undefined || stay.last !== undefined || sent.seq < stay.first) continue;
    const found = history.entries.filter((entry) => entry.from === user && entry.clientId === sent.clientId).length;
    if (found !== 1)
      report(`${name} was acknowledged and is ${found} times in the conversation as ${member} reads it`, sent, { where: history.where });
  }
  if (!needed.has(conversation)) report(`${name} was acknowledged in ${conversation}, where nobody saw an entry`, sent);
  const own = observed.inboxes.get(user)?.events[sent.lsn - 1];
  if (observed.inboxes.has(user) && (own === undefined || own.seq !== sent.seq || own.clientId !== sent.clientId)) {
    report(`${name} was acknowledged as event ${sent.lsn}, which is something else`, sent, ...(own === undefined ? [] : [own]));
  }
}

function seqsByMember(observed: Observed, conversation: string, lastSeq: number): ReadonlyMap<string, ReadonlySet<number>> {
  return new Map([...membersOf(observed, conversation)].map(([user, stays]) => [user, new Set(seqsOf(stays, lastSeq))]));
}

function countByEntry(user: string, events: readonly Located<'event'>[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { conversation, seq } of events) {
    const key = `${canonical(user, conversation)} ${seq}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** What a device was once told is in the inbox in the end. */
function toldIsKept(observed: Observed, device: Device, report: Report): void {
  const inbox = observed.inboxes.get(device.user);
  if (inbox === undefined) return;
  // The first says it all: what comes after is shifted.
  for (const told of toldOf(device)) {
    const kept = inbox.events[told.lsn - 1];
    if (kept === undefined)
      return report(`${device.user}'s ${device.name} was told event ${told.lsn}, and the inbox ends at ${inbox.endLsn}`, told, inbox);
    if (kept.conversation !== told.conversation || kept.seq !== told.seq || kept.clientId !== told.clientId) {
      return report(`${device.user}'s ${device.name} was told event ${told.lsn}, and it is something else now`, told, kept);
    }
  }
}

/** An error that says "nothing was stored" means it, where there was one attempt only. */
function refusedIsAbsent(observed: Observed, device: Device, report: Report): void {
  const attempts = new Map<string, number>();
  for (const record of device.records) if (record.kind === 'wrote') attempts.set(record.clientId, (attempts.get(record.clientId) ?? 0) + 1);
  for (const record of device.records) {
    if (record.kind !== 'refused' || ['timeout', 'internal', 'conflict'].includes(record.code)) continue;
    const invocations = observed.invocations.get(sendKey(device.user, record.clientId)) ?? [];
    if (attempts.get(record.clientId) !== 1 || invocations.length !== 1) continue;
    const event = observed.inboxes
      .get(device.user)
      ?.events.find(({ clientId, from }) => clientId === record.clientId && from === device.user);
    if (event !== undefined) report(`${record.clientId} of ${device.user} was refused with ${record.code}, and is stored`, record, event);
  }
}
