import type { ActorKind } from '../cluster/actor.ts';
import { type GroupId, groupConversation } from '../ids.ts';
import { ConclusionDraft } from './conclusion-draft.ts';
import { carryMarks, decideHostAlarm, decideHosted, lastAnnouncements } from './conversation.ts';
import { refuse } from './effects.ts';
import { applyHosted, concludeHosted, type HostEvent, hostedIdle } from './host-events.ts';
import type { Hosted } from './hosted.ts';
import { deriveHosted, isDirty, restoreHosted } from './hosted-rows.ts';
import type { GroupCommand, MessengerLimits } from './messages.ts';

const NOTHING: readonly never[] = [];
const BYTES = { group: 1000, member: 250, open: 400 } as const;

/** A group: its members and roles; it forwards to its member actors and knows no device. */
export function groupActor(limits: MessengerLimits): ActorKind<Hosted, GroupCommand, HostEvent> {
  return {
    kind: 'group',
    restore: (id) => restoreHosted(groupConversation(id as GroupId)),
    load: () => undefined,
    decide: (group, command, now) =>
      command.kind === 'alarm' ? decideHostAlarm(group, now, limits) : decideHosted(group, command, now, limits),
    apply: (_group, event) => applyHosted(event),
    conclude(_group, events, epoch) {
      const draft = new ConclusionDraft();
      concludeHosted(events, epoch, draft);
      return draft;
    },
    refuse,
    vital: () => false,
    sheddable: ({ kind }) => kind === 'typed',
    fromClient: ({ kind }) => kind === 'post' || kind === 'list-members' || kind === 'list-receipts',
    dirty: isDirty,
    derive: (group, epoch) => deriveHosted(group, epoch, false),
    unclosed: ({ unannounced }) => unannounced !== undefined,
    close: (group, epoch) => ({
      effects: lastAnnouncements([group], limits),
      writes: isDirty(group) ? deriveHosted(group, epoch, false) : NOTHING,
    }),
    idle: hostedIdle,
    tidy: () => {},
    bytes: (group) => BYTES.group + group.members.size * BYTES.member + group.open.size * BYTES.open,
    carry: (from, to) => carryMarks(from, to, limits),
    abandon: () => NOTHING,
  };
}
