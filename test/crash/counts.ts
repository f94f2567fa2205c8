import type { Observed } from './observed.ts';

export interface Counts {
  readonly devices: number;
  readonly conversations: number;
  readonly entries: number;
  readonly sends: number;
  readonly sent: number;
  readonly duplicates: number;
  /** Connections beyond the first of each device, and starts of programs beyond the first. */
  readonly reconnects: number;
  readonly restarts: number;
  readonly events: number;
  /** Errors that ended a send, by code. */
  readonly errors: Readonly<{ [code: string]: number }>;
}

/** How much was observed, so that nobody takes an empty round for a good one. */
export function countRecords({ devices, conversations }: Observed): Counts {
  const counts = { sends: 0, sent: 0, duplicates: 0, reconnects: 0, restarts: 0, events: 0 };
  const errors: { [code: string]: number } = {};
  for (const { records } of devices) {
    let hellos = 0;
    let starts = 0;
    for (const record of records) {
      if (record.kind === 'invoke') counts.sends += 1;
      else if (record.kind === 'event') counts.events += 1;
      else if (record.kind === 'hello') hellos += 1;
      else if (record.kind === 'start') starts += 1;
      else if (record.kind === 'answer' && record.outcome === 'sent') {
        counts.sent += 1;
        if (record.duplicate === true) counts.duplicates += 1;
      } else if (record.kind === 'answer') errors[record.code] = (errors[record.code] ?? 0) + 1;
    }
    counts.reconnects += Math.max(0, hellos - 1);
    counts.restarts += Math.max(0, starts - 1);
  }
  const entries = [...conversations.values()].reduce((sum, of) => sum + of.size, 0);
  return { devices: devices.length, conversations: conversations.size, entries, ...counts, errors };
}
