import { type EventFrame, KIND_OF, type Sent } from './frames.ts';
import type { Inbox } from './inbox.ts';
import type { Problem } from './options.ts';
import type { Pending } from './pending.ts';

/** Puts what a connection tells into the inbox: which frame is the next event, which only an answer. */
export interface Stream {
  event(event: EventFrame): void;
  sent(sent: Sent, user: string): void;
}

export interface StreamOptions {
  readonly inbox: Inbox;
  readonly pending: Pending;
  readonly problem: (problem: Problem) => void;
  /** The next connection begins after what the application has handled. */
  readonly disconnect: (why: string) => void;
}

const GIVEN_UP = 'an own entry that was given up: the next connection tells it whole';

export function createStream({ inbox, pending, problem, disconnect }: StreamOptions): Stream {
  function take(event: EventFrame): void {
    const expected = inbox.next;
    const outcome = inbox.take(event);
    if (outcome === 'gap') {
      problem({ kind: 'gap', expected, got: event.lsn });
      disconnect(`event ${event.lsn} came where ${expected} was due`);
    } else if (inbox.full) disconnect('the application is behind');
  }

  return {
    event(event) {
      if (event.body !== undefined || event.lsn < inbox.next) return take(event);
      // Of one's own message the body may be left out, as it is here (PROTOCOL 5.3.3).
      const submission = event.clientId === undefined ? undefined : pending.submission(event.clientId);
      if (submission?.type === 'send') take({ ...event, body: submission.body });
      else disconnect(GIVEN_UP);
    },
    sent(sent, user) {
      const { lsn, conversation, seq, at, clientId } = sent;
      // In its turn it stands for the sender's own event; any other is only an answer (PROTOCOL 5.3.2, 5.3.4).
      if (sent.duplicate !== true && lsn >= inbox.next) {
        const submission = pending.submission(clientId);
        if (submission === undefined) return disconnect(GIVEN_UP);
        const body = submission.type === 'send' ? { body: submission.body } : {};
        take({ type: 'event', lsn, conversation, seq, from: user, at, kind: KIND_OF[submission.type], clientId, ...body });
      }
      pending.answer(sent);
    },
  };
}
