import { canonical, type Located } from '../observed.ts';
import type { Rule } from '../violation.ts';

/**
 * What `done` said is there in the end (PROTOCOL 8, 11.1): a conversation is muted as the last answered
 * request said, or as one that was never answered, which may have come through.
 */
export const doneIsKept: Rule = {
  name: 'done-is-kept',
  find({ devices }, report) {
    for (const { user, via, records } of devices) {
      if (via !== 'audit') continue;
      const listed = records.find((record) => record.kind === 'listed');
      if (listed === undefined) continue;
      const asked = mutesOf(devices.filter((device) => device.user === user).flatMap((device) => device.records));
      for (const { conversation, mutedUntil = 0 } of listed.items) {
        const { last, open } = asked.get(canonical(user, conversation)) ?? { last: undefined, open: [] };
        const allowed = [last?.until ?? 0, ...open.map(({ until }) => until)];
        if (allowed.includes(mutedUntil)) continue;
        const where = { conversation, mutedUntil, where: listed.where };
        report(`${user} finds ${conversation} muted until ${mutedUntil}, not ${allowed[0]}`, ...(last === undefined ? [] : [last]), where);
      }
    }
  },
};

interface Asked {
  last: Located<'mute'> | undefined;
  readonly open: Located<'mute'>[];
}

function mutesOf(records: readonly Located[]): ReadonlyMap<string, Asked> {
  const done = new Set(records.flatMap((record) => (record.kind === 'done' ? [record.id] : [])));
  const user = records.find((record) => record.kind === 'device')?.user ?? '';
  const asked = new Map<string, Asked>();
  for (const record of records) {
    if (record.kind !== 'mute') continue;
    const key = canonical(user, record.conversation);
    const of = asked.get(key) ?? { last: undefined, open: [] };
    asked.set(key, of);
    if (done.has(record.id)) of.last = record;
    else of.open.push(record);
  }
  return asked;
}
