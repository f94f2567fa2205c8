import { membersOf, seqsOf } from '../membership.ts';
import { canonical, type Device, type Located, type Observed } from '../observed.ts';
import type { Report, Rule } from '../violation.ts';

/** Seqs and lsns have no gaps and no repeats, on every device. */
export const gapFree: Rule = {
  name: 'gap-free',
  find(observed, report) {
    for (const device of observed.devices) {
      if (device.via === 'poll') polls(device, report);
      else connections(device, report);
      taken(device, report);
    }
    inboxes(observed, report);
    histories(observed, report);
    lists(observed, report);
    ends(observed, report);
  },
};

/** On each connection the frames that carry an lsn carry the next one (PROTOCOL 4.3.3, 5.3). */
function connections({ user, name, records }: Device, report: Report): void {
  let next: number | undefined;
  let told: number | undefined;
  let hello: Located<'hello'> | undefined;
  for (const record of records) {
    if (record.kind === 'hello') {
      hello = record;
      next = undefined;
    } else if (record.kind === 'welcome') {
      next = record.cursor + 1;
      if (hello?.cursor !== undefined && record.cursor > hello.cursor) {
        report(`${user}'s ${name} asked for what comes after ${hello.cursor} and gets what comes after ${record.cursor}`, hello, record);
      }
    } else if (record.kind === 'reset') {
      next = record.cursor + 1;
      if (record.reason === 'ahead' && told !== undefined)
        report(`${user}'s ${name} was told ${told} events, of which the server knows ${record.cursor}`, record);
    } else if (record.kind === 'event' || (record.kind === 'sent' && record.duplicate !== true)) {
      if (next === undefined) report(`${user}'s ${name} was told something before \`welcome\``, record);
      else if (record.lsn === next) {
        told = next;
        next += 1;
      } else if (record.lsn > next) {
        report(`${user}'s ${name} was told ${record.lsn} where ${next} is next`, record);
        next = record.lsn + 1;
      } else if (record.kind === 'event') report(`${user}'s ${name} was told ${record.lsn} again, where ${next} is next`, record);
    }
  }
}

function polls({ user, name, records }: Device, report: Report): void {
  let next: number | undefined;
  for (const record of records) {
    if (record.kind === 'polled') next = record.cursor + 1;
    else if (record.kind === 'reset') {
      if (record.reason === 'ahead') report(`${user}'s ${name} has a cursor ahead of the log, which ends at ${record.cursor}`, record);
      next = record.cursor + 1;
    } else if (record.kind === 'event') {
      if (next !== undefined && record.lsn !== next) report(`${user}'s ${name} polled ${record.lsn} where ${next} is next`, record);
      next = record.lsn + 1;
    }
  }
}

/** The application has each event once, from one start of its program to the next. */
function taken({ user, name, records }: Device, report: Report): void {
  let next: number | undefined;
  for (const record of records) {
    if (record.kind === 'start' || record.kind === 'reset') next = record.cursor + 1;
    else if (record.kind === 'took') {
      if (next !== undefined && record.lsn !== next) report(`${user}'s ${name} took ${record.lsn} where ${next} is next`, record);
      next = record.lsn + 1;
    }
  }
}

/** An inbox has the lsns from 1 to its end, and of each conversation the seqs of one's stays in it. */
function inboxes(observed: Observed, report: Report): void {
  for (const [user, inbox] of observed.inboxes) {
    const lsns = inbox.events.map(({ lsn }) => lsn);
    const gap = lsns.findIndex((lsn, index) => lsn !== index + 1);
    if (gap >= 0) report(`the inbox of ${user} has ${lsns[gap]} where ${gap + 1} is next`, inbox.events[gap] as Located);
    if (lsns.length !== inbox.endLsn) report(`the inbox of ${user} should end at ${inbox.endLsn} and has ${lsns.length} events`, inbox);
  }
  for (const [conversation, entries] of observed.conversations) {
    const lastSeq = Math.max(...entries.keys());
    for (let seq = 1; seq < lastSeq; seq++) {
      if (!entries.has(seq))
        report(`nobody saw ${conversation} ${seq}, but there is ${lastSeq}`, ...(entries.get(lastSeq) ?? []).slice(0, 1));
    }
    for (const [user, stays] of membersOf(observed, conversation)) {
      const inbox = observed.inboxes.get(user);
      if (inbox === undefined) continue;
      const has = new Set(inbox.events.filter((event) => canonical(user, event.conversation) === conversation).map(({ seq }) => seq));
      const needs = seqsOf(stays, lastSeq);
      const lacks = needs.filter((seq) => entries.has(seq) && !has.has(seq));
      const first = lacks[0];
      if (first !== undefined) {
        const sighting = entries.get(first)?.[0];
        report(
          `the inbox of ${user} lacks ${conversation} ${lacks.join(', ')}`,
          inbox,
          ...(sighting === undefined ? [] : [{ ...sighting.entry, where: sighting.where }]),
        );
      }
      const may = new Set(needs);
      for (const seq of has) if (!may.has(seq)) report(`${user} has ${conversation} ${seq} without being a member then`, inbox);
    }
  }
}

/** The pages of a conversation have every entry since the reader's last coming. */
function histories(observed: Observed, report: Report): void {
  for (const [user, of] of observed.histories) {
    for (const [conversation, history] of of) {
      const stays = membersOf(observed, conversation).get(user) ?? [];
      const stay = stays.at(-1);
      if (stay === undefined || stay.last !== undefined) {
        if (history.entries.length > 0) report(`${user} reads ${conversation} without being a member`, history);
        continue;
      }
      const lastSeq = Math.max(0, ...(observed.conversations.get(conversation)?.keys() ?? []));
      const seqs = history.entries.map(({ seq }) => seq);
      const gap = seqs.findIndex((seq, index) => seq !== stay.first + index);
      if (gap >= 0) report(`the pages of ${conversation} give ${user} ${seqs[gap]} where ${stay.first + gap} is next`, history);
      else if (seqs.length !== Math.max(0, lastSeq - stay.first + 1)) {
        report(`the pages of ${conversation} end for ${user} at ${seqs.at(-1) ?? 'nothing'}, the conversation at ${lastSeq}`, history);
      }
    }
  }
}

/** The list has every conversation one is in that has entries, once, and says where it ends. */
function lists(observed: Observed, report: Report): void {
  for (const { user, records } of observed.devices) {
    for (const record of records) {
      if (record.kind !== 'listed') continue;
      const listed = new Map(record.items.map((item) => [canonical(user, item.conversation), item]));
      if (listed.size !== record.items.length) report(`${user} has a conversation twice in the list`, record);
      for (const [conversation, entries] of observed.conversations) {
        const stay = membersOf(observed, conversation).get(user)?.at(-1);
        const item = listed.get(conversation);
        if (stay === undefined || stay.last !== undefined) {
          if (item !== undefined) report(`${user} has ${conversation} in the list without being a member`, record);
          continue;
        }
        const lastSeq = Math.max(...entries.keys());
        if (item === undefined) report(`${user} lacks ${conversation} in the list`, record);
        else if (item.lastSeq !== lastSeq || item.last.seq !== lastSeq)
          report(`for ${user} ${conversation} ends at ${item.lastSeq}, not at ${lastSeq}`, record);
        else {
          const own = [...entries].filter(([seq, [sighting]]) => seq > item.read && sighting?.entry.from === user).length;
          const unread = lastSeq - item.read - own;
          if (item.unread !== unread)
            report(`${user} has ${item.unread} unread in ${conversation}, should have ${unread}`, { ...item, where: record.where });
        }
      }
    }
  }
}

/** A device that was there to the end has everything. */
function ends({ devices, inboxes }: Observed, report: Report): void {
  for (const { user, name, via, records } of devices) {
    const inbox = inboxes.get(user);
    if (via === 'audit' || inbox === undefined || records.at(-1)?.kind !== 'end') continue;
    const took = records.findLast((record) => record.kind === 'took' || record.kind === 'start');
    const cursor = took?.kind === 'took' ? took.lsn : took?.kind === 'start' ? took.cursor : 0;
    if (cursor !== inbox.endLsn)
      report(`${user}'s ${name} has come to ${cursor}, the inbox to ${inbox.endLsn}`, ...(took === undefined ? [] : [took]), inbox);
  }
}
