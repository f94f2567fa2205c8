import type { UserId } from '../ids.ts';
import { splitAt } from '../storage/store.ts';
import type { ConclusionDraft } from './conclusion-draft.ts';
import { firstOwed, owes, summaryOf } from './delivering.ts';
import { tellMember } from './effects.ts';
import { type Batch, batchOf, type Entry } from './entry.ts';
import { applyOperation } from './group-operations.ts';
import { type Hosted, memberOf, newMember, openEntry, previousOf } from './hosted.ts';
import { putHost, putMember } from './hosted-rows.ts';
import type { MemberCommand } from './messages.ts';
import type { OpenEntry, Roster } from './open-entries.ts';

/** What changes a conversation at its host; times are steady. Only `posted` is in its log; see `concludeHosted`. */
export type HostEvent =
  | { readonly kind: 'posted'; readonly hosted: Hosted; readonly entry: Entry; readonly roster: Roster; readonly at: number }
  | { readonly kind: 'confirmed'; readonly hosted: Hosted; readonly user: UserId; readonly seq: number }
  | {
      readonly kind: 'marked';
      readonly hosted: Hosted;
      readonly user: UserId;
      readonly delivered: number;
      readonly read: number;
      readonly announceAt: number;
    }
  | { readonly kind: 'receipts-told'; readonly hosted: Hosted }
  | { readonly kind: 'barred'; readonly hosted: Hosted; readonly by: UserId; readonly on: boolean }
  | { readonly kind: 'retold'; readonly hosted: Hosted; readonly at: number }
  | { readonly kind: 'lagged'; readonly hosted: Hosted; readonly user: UserId };

export function applyHosted(event: HostEvent): void {
  const { hosted } = event;
  hosted.unused = 0;
  hosted.closing = false;
  switch (event.kind) {
    case 'posted':
      hosted.lastSeq = event.entry.seq;
      hosted.lastAt = event.entry.at;
      hosted.changed = true;
      if (event.entry.kind !== 'message') applyOperation(hosted, event.entry);
      openEntry(hosted, event.entry, event.roster, event.at);
      break;
    case 'confirmed':
      applyConfirmed(hosted, event.user, event.seq);
      break;
    case 'marked': {
      const member = memberOf(hosted, event.user) ?? newMember('member', 1);
      member.delivered = event.delivered;
      member.read = event.read;
      hosted.changedMembers.add(event.user);
      if (hosted.unannounced === undefined) {
        hosted.unannounced = new Set();
        hosted.announceAt = event.announceAt;
      }
      hosted.unannounced.add(event.user);
      break;
    }
    case 'receipts-told':
      receiptsTold(hosted);
      break;
    case 'barred':
      hosted.barredBy = event.on ? [...hosted.barredBy, event.by] : hosted.barredBy.filter((user) => user !== event.by);
      break;
    case 'retold':
      hosted.recovering = false;
      for (const open of hosted.open.values()) if (open.postedAt === 0) open.postedAt = event.at;
      break;
    case 'lagged':
      applyLagged(hosted, event.user);
      break;
  }
}

export function receiptsTold(hosted: Hosted): void {
  hosted.announced = hosted.unannounced;
  hosted.unannounced = undefined;
}

function applyConfirmed(hosted: Hosted, user: UserId, seq: number): void {
  const member = hosted.members.get(user);
  if (member === undefined) return;
  const from = firstOwed(hosted, member);
  member.confirmed = seq;
  for (let at = from; at <= seq; at++) {
    const open = hosted.open.get(at);
    if (open === undefined || !owes(open, user, member)) continue;
    if (open.entry.from === user) open.senderHas = true;
    else if (!member.lagging) open.waiting -= 1;
    closeIfDone(hosted, open);
  }
  if (member.lagging) {
    hosted.changedMembers.add(user);
    if (seq >= (member.until ?? hosted.lastSeq)) member.lagging = false;
  }
}

function applyLagged(hosted: Hosted, user: UserId): void {
  const member = hosted.members.get(user);
  if (member === undefined || member.lagging) return;
  member.lagging = true;
  hosted.changedMembers.add(user);
  for (const open of hosted.open.values()) {
    if (open.entry.seq <= member.confirmed || !open.roster.some(({ id }) => id === user)) continue;
    // A sender's own entry stays open: until they have it, only here is it known that a resend is one.
    if (open.entry.from === user) continue;
    open.waiting -= 1;
    closeIfDone(hosted, open);
  }
}

function closeIfDone(hosted: Hosted, open: OpenEntry): void {
  if (open.waiting <= 0 && open.senderHas) hosted.open.close(open);
}

/** At the end of a turn: the rows of what was posted, and each member told of it. */
export function concludeHosted(events: readonly HostEvent[], epoch: number, draft: ConclusionDraft): void {
  for (let at = 0; at < events.length; ) {
    const event = events[at] as HostEvent;
    if (event.kind === 'barred') draft.write(putHost(event.hosted, epoch));
    else if (event.kind === 'lagged') {
      const member = event.hosted.members.get(event.user);
      if (member !== undefined) draft.write(putMember(event.hosted, event.user, member, epoch));
    } else if (event.kind === 'posted') {
      const run = runFrom(events, at);
      fanOut(event.hosted, event.roster, batchOf(event.hosted.id, run), epoch, draft);
      at += run.length;
      continue;
    }
    at += 1;
  }
}

/** The entries from `at` on that go to the same members of the same conversation and may share a row. */
function runFrom(events: readonly HostEvent[], at: number): Entry[] {
  const first = events[at] as Extract<HostEvent, { kind: 'posted' }>;
  const run = [first.entry];
  const last = splitAt(first.entry.seq);
  for (let next = at + 1; next < events.length; next++) {
    const event = events[next] as HostEvent;
    if (event.kind !== 'posted' || event.hosted !== first.hosted || event.roster !== first.roster || event.entry.seq > last) break;
    run.push(event.entry);
  }
  return run;
}

function fanOut(hosted: Hosted, roster: Roster, batch: Batch, epoch: number, draft: ConclusionDraft): void {
  const first = (batch.entries[0] as Entry).seq;
  const last = first + batch.entries.length - 1;
  draft.write({ kind: 'append', log: 'conversation', of: hosted.id, first, last, epoch, payload: batch.packed });
  if (!hosted.tailMarked) {
    hosted.tailMarked = true;
    draft.write(putHost(hosted, epoch));
  }
  const summary = summaryOf(hosted);
  const later: MemberCommand = { kind: 'deliver', batch, previous: first - 1, summary };
  for (const address of roster) {
    const starts = previousOf(hosted.members.get(address.id as UserId), first) === 0;
    draft.tell(tellMember(address, starts ? { kind: 'deliver', batch, previous: 0, summary } : later, 'ordered'));
  }
}

/** Nothing is under way: no entry is open, nothing is to be announced. */
export function hostedIdle(hosted: Hosted): boolean {
  if (hosted.open.size > 0 || hosted.unannounced !== undefined) return false;
  for (const member of hosted.members.values()) if (member.lagging) return false;
  return true;
}
