import type { Located } from '../observed.ts';
import type { Rule } from '../violation.ts';

/** Every send ends as `sent` or as an error with a code, a client's own time-out included; never in silence. */
export const alwaysAnswered: Rule = {
  name: 'always-answered',
  find({ devices }, report) {
    for (const device of devices) {
      const open = new Map<string, Located<'invoke'>>();
      for (const record of device.records) {
        if (record.kind === 'invoke') open.set(record.clientId, record);
        else if (record.kind === 'answer') {
          if (record.outcome === 'error' && record.code === '') report('an error without a code', record);
          open.delete(record.clientId);
        }
      }
      for (const invoke of open.values()) report(`${device.user} never heard what became of ${invoke.clientId}`, invoke);
      const last = device.records.at(-1);
      if (last !== undefined && last.kind !== 'end') report(`the record of ${device.user}'s ${device.name} stops before the end`, last);
    }
  },
};
