import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorFrame, EventFrame, Reset, Sent } from '../../src/client/frames.ts';
import { FAILURES, type FailureCode } from '../../src/failure.ts';
import { type DeviceOptions, frameOf, GIVE_UP_MS, type TestDevice, type TestSubmission } from './device.ts';
import { openRecorder, seen } from './record.ts';

type Answer = EventFrame | Reset | Sent | ErrorFrame | { readonly type: 'done'; readonly id: string };

const POLL_SECONDS = 5;
const RETRY_MS = 50;

/** A device that can't hold a socket: it polls for events and posts what it sends, one at a time. */
export function pollDevice(options: DeviceOptions): TestDevice {
  const recorder = openRecorder(join(options.directory, `${options.user}.${options.name}.jsonl`));
  recorder.add({ kind: 'device', user: options.user, device: options.name, via: 'poll' });
  recorder.add({ kind: 'start', cursor: 0 });
  const headers = { authorization: `Bearer ${options.token}` };
  const newest = new Map<string, number>();
  const stopping = new AbortController();
  let cursor = 0;
  let asks = 0;
  let queue: Promise<unknown> = Promise.resolve();

  async function call(path: string, init: RequestInit): Promise<readonly Answer[]> {
    const signal = AbortSignal.any([AbortSignal.timeout((POLL_SECONDS + 15) * 1_000), ...(init.signal ? [init.signal] : [])]);
    const answer = await fetch(`${options.url}${path}`, { ...init, headers, signal });
    const body = (await answer.json()) as { readonly frames?: readonly Answer[] };
    if (answer.status !== 200 || body.frames === undefined) throw new Error(`${path} is answered with ${answer.status}`);
    return body.frames;
  }

  async function poll(): Promise<void> {
    while (!stopping.signal.aborted) {
      const asked = cursor;
      try {
        const frames = await call(`/v1/poll?device=${options.name}&cursor=${asked}&wait=${POLL_SECONDS}`, { signal: stopping.signal });
        if (stopping.signal.aborted) return;
        recorder.add({ kind: 'polled', cursor: asked });
        for (const frame of frames) if (frame.type === 'event' || frame.type === 'reset') take(frame);
      } catch {
        await delay(RETRY_MS); // the server is being killed and started: that is what this is about
      }
    }
  }

  function take(frame: EventFrame | Reset): void {
    if (frame.type === 'reset') {
      recorder.add({ kind: 'reset', cursor: frame.cursor, reason: frame.reason });
      cursor = frame.cursor;
      return;
    }
    const told = { lsn: frame.lsn, conversation: frame.conversation, ...seen(frame) };
    recorder.add({ kind: 'event', ...told });
    recorder.add({ kind: 'took', ...told });
    newest.set(frame.conversation, frame.seq);
    cursor = frame.lsn;
  }

  async function submit(submission: TestSubmission): Promise<'sent' | 'error'> {
    const { clientId, conversation, entry, body } = submission;
    recorder.add({ kind: 'invoke', clientId, conversation, entry, body });
    const deadline = Date.now() + GIVE_UP_MS;
    while (Date.now() < deadline) {
      recorder.add({ kind: 'wrote', clientId });
      const [frame] = await call(`/v1/frames?device=${options.name}`, { method: 'POST', body: JSON.stringify(frameOf(submission)) }).catch(
        () => [],
      );
      if (frame?.type === 'sent') {
        const { seq, lsn, at, duplicate } = frame;
        const sent = { clientId, conversation: frame.conversation, seq, lsn, at, ...(duplicate === true ? { duplicate } : {}) };
        recorder.add({ kind: 'sent', ...sent });
        recorder.add({ kind: 'answer', outcome: 'sent', ...sent });
        return 'sent';
      }
      if (frame?.type === 'error') {
        recorder.add({ kind: 'refused', clientId, code: frame.code });
        if (FAILURES[frame.code as FailureCode].again === 'no') {
          recorder.add({ kind: 'answer', outcome: 'error', clientId, code: frame.code });
          return 'error';
        }
      }
      await delay(frame?.type === 'error' ? (frame.retryAfterMs ?? RETRY_MS) : RETRY_MS);
    }
    recorder.add({ kind: 'answer', outcome: 'error', clientId, code: 'timeout' });
    return 'error';
  }

  const polling = poll();
  return {
    user: options.user,
    name: options.name,
    newest,
    get cursor() {
      return cursor;
    },
    submit(submission) {
      const outcome = queue.then(() => submit(submission));
      queue = outcome;
      return outcome;
    },
    read(conversation, seq) {
      call(`/v1/frames?device=${options.name}`, { method: 'POST', body: JSON.stringify({ type: 'read', conversation, seq }) }).catch(
        () => {},
      ); // watermarks may lose their last seconds
    },
    async mute(conversation, until) {
      asks += 1;
      const id = `${options.name}-mute-${asks}`;
      recorder.add({ kind: 'mute', id, conversation, until });
      const body = JSON.stringify({ type: 'mute', id, conversation, until });
      const [frame] = await call(`/v1/frames?device=${options.name}`, { method: 'POST', body }).catch(() => []);
      if (frame?.type === 'done') recorder.add({ kind: 'done', id });
    },
    async restart() {}, // between two polls it is nothing but its cursor
    async end() {
      stopping.abort();
      await polling;
      recorder.add({ kind: 'end' });
      await recorder.close();
    },
  };
}
