import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Client, connect } from '../../src/client/client.ts';
import type { ConversationItem, Entry } from '../../src/client/frames.ts';
import type { ConnectOptions } from '../../src/client/options.ts';
import { Failure } from '../../src/failure.ts';
import { openRecorder, type Recorder, seen } from './record.ts';
import { traceTo } from './trace.ts';

export interface AuditOptions {
  readonly user: string;
  readonly socketUrl: string;
  readonly token: string;
  readonly directory: string;
  /** Read besides those in the list. */
  readonly conversations: readonly string[];
}

const QUIET_MS = 400;
const AUDIT_WITHIN_MS = 60_000;

/**
 * Reads, as one user, all there is in the end: every conversation page by page, the list of conversations,
 * and the inbox from its beginning.
 */
export async function audit(options: AuditOptions): Promise<void> {
  const recorder = openRecorder(join(options.directory, `${options.user}.audit.jsonl`));
  recorder.add({ kind: 'device', user: options.user, device: 'audit', via: 'audit' });
  const reader = connect(common(options, 'audit-pages'));
  try {
    const items = await list(reader);
    for (const conversation of new Set([...items.map((item) => item.conversation), ...options.conversations])) {
      await pages(reader, conversation, recorder);
    }
    // Once more, because reading may have repaired something.
    recorder.add({
      kind: 'listed',
      items: (await list(reader)).map(({ conversation, lastSeq, last, read, unread, mutedUntil }) => ({
        conversation,
        lastSeq,
        last: seen(last),
        read,
        unread,
        ...(mutedUntil === undefined ? {} : { mutedUntil }),
      })),
    });
  } finally {
    await reader.close();
  }
  await inbox(options, recorder);
  recorder.add({ kind: 'end' });
  await recorder.close();
}

const common = ({ socketUrl, token }: AuditOptions, device: string): ConnectOptions => ({
  url: socketUrl,
  token,
  device,
  WebSocket,
  codec: 'msgpack',
});

async function list(client: Client): Promise<ConversationItem[]> {
  const items: ConversationItem[] = [];
  for (let next: string | undefined; ; ) {
    const page = await client.conversations({ limit: 20, ...(next === undefined ? {} : { next }) });
    items.push(...page.items);
    next = page.next;
    if (next === undefined) return items;
  }
}

/** Half of the conversations are read forwards, half backwards. */
async function pages(client: Client, conversation: string, recorder: Recorder): Promise<void> {
  const forwards = conversation.length % 2 === 0;
  const entries: Entry[] = [];
  try {
    for (let more = true; more; ) {
      const range = forwards ? { after: entries.at(-1)?.seq ?? 0 } : entries.length === 0 ? {} : { before: entries[0]?.seq ?? 0 };
      const page = await client.history(conversation, { limit: 37, ...range });
      if (forwards) entries.push(...page.entries);
      else entries.unshift(...page.entries);
      more = page.more;
      if (more && page.entries.length === 0) throw new Error(`an empty page of ${conversation} says that there is more`);
    }
  } catch (thrown) {
    const { code } = Failure.from(thrown);
    if (code === 'not-member' || code === 'not-found') return;
    throw thrown;
  }
  recorder.add({ kind: 'history', conversation, entries: entries.map(seen) });
}

/** The inbox is read from 0 until nothing has come for a while. */
async function inbox(options: AuditOptions, recorder: Recorder): Promise<void> {
  let lsn = 0;
  const client = connect({
    ...common(options, 'audit'),
    cursor: 0,
    trace: traceTo(recorder),
    on: {
      event(event) {
        lsn = event.lsn;
      },
    },
  });
  try {
    const deadline = Date.now() + AUDIT_WITHIN_MS;
    for (let before = -1; ; ) {
      const end = await logEnd(options);
      if (end === lsn && end === before) break;
      before = end;
      if (Date.now() > deadline) break; // the checker finds what is missing
      await delay(QUIET_MS);
    }
    recorder.add({ kind: 'inbox-end', lsn: await logEnd(options) });
  } finally {
    await client.close();
  }
}

/** Where a device that starts from now would begin. */
async function logEnd(options: AuditOptions): Promise<number> {
  const client = connect(common(options, 'audit-end'));
  try {
    return (await client.ready).cursor;
  } finally {
    await client.close();
  }
}
