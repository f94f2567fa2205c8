import { canonical, getOrAdd, sendKey, toldOf } from '../observed.ts';
import type { Rule } from '../violation.ts';

interface Place {
  readonly at: string;
  readonly where: string;
}

/** One client id of one sender is one entry, in one place; one entry is one event; and nobody's entry comes from nowhere. */
export const neverDoubled: Rule = {
  name: 'never-doubled',
  find({ devices, conversations, inboxes, histories, invocations }, report) {
    const places = new Map<string, Place>();
    const doubled = new Set<string>();
    for (const [conversation, entries] of conversations) {
      for (const [seq, sightings] of entries) {
        for (const { entry, where } of sightings) {
          if (entry.clientId === undefined) continue;
          const key = sendKey(entry.from, entry.clientId);
          const here: Place = { at: `${conversation} ${seq}`, where };
          const first = getOrAdd(places, key, () => here);
          if (first.at !== here.at && !doubled.has(key)) {
            doubled.add(key);
            report(`${entry.clientId} of ${entry.from} is two entries: ${first.at} and ${here.at}`, first, here);
          }
          if (entry.entry === 'message' && !invocations.has(key))
            report(`nobody sent ${entry.clientId} of ${entry.from}`, { ...here, ...entry });
        }
      }
    }

    for (const [user, { events }] of inboxes) {
      const lsns = new Map<string, { readonly lsn: number; readonly where: string }>();
      for (const event of events) {
        const first = getOrAdd(lsns, `${canonical(user, event.conversation)} ${event.seq}`, () => event);
        if (first !== event)
          report(`${event.conversation} ${event.seq} is twice in the inbox of ${user}: at ${first.lsn} and ${event.lsn}`, first, event);
      }
    }

    for (const [user, histories_] of histories) {
      for (const [conversation, { entries, where }] of histories_) {
        const seqs = new Set(entries.map(({ seq }) => seq));
        if (seqs.size !== entries.length) report(`the pages of ${conversation} give ${user} an entry twice`, { where });
      }
    }

    for (const device of devices) {
      const lsns = new Map<string, { readonly lsn: number; readonly where: string }>();
      for (const told of toldOf(device)) {
        const first = getOrAdd(lsns, `${told.conversation} ${told.seq}`, () => told);
        if (first.lsn !== told.lsn)
          report(`${device.user}'s ${device.name} was told ${told.conversation} ${told.seq} under two lsns`, first, told);
      }
    }

    const originals = new Map<string, { readonly where: string }>();
    for (const { user, records } of devices) {
      for (const record of records) {
        if (record.kind !== 'sent' || record.duplicate === true) continue;
        const first = getOrAdd<string, { readonly where: string }>(originals, sendKey(user, record.clientId), () => record);
        if (first !== record) report(`${record.clientId} of ${user} was answered twice without \`duplicate\``, first, record);
      }
    }
  },
};
