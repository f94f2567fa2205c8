import { join } from 'node:path';
import { WebSocket } from 'ws';
import { type Client, connect } from '../../src/client/client.ts';
import type { EventFrame, Sent } from '../../src/client/frames.ts';
import { Failure } from '../../src/failure.ts';
import { type DeviceOptions, GIVE_UP_MS, type TestDevice, type TestSubmission } from './device.ts';
import { openRecorder, type Recorder, seen } from './record.ts';
import { traceTo } from './trace.ts';

export interface SocketDeviceOptions extends DeviceOptions {
  readonly codec: 'json' | 'msgpack';
  readonly order: 'kept' | 'loose';
}

interface Open {
  readonly submission: TestSubmission;
  readonly settle: (outcome: 'sent' | 'error') => void;
}

/** A device that uses the client of `src/client`, and records what that is told and what it hands over. */
export function socketDevice(options: SocketDeviceOptions): TestDevice {
  const recorder = openRecorder(join(options.directory, `${options.user}.${options.name}.jsonl`));
  recorder.add({ kind: 'device', user: options.user, device: options.name, via: 'socket' });
  const newest = new Map<string, number>();
  const open = new Set<Open>();
  let asks = 0;
  /** What the program has saved: a little behind what it has seen. */
  let saved = 0;
  let run = start(0);

  function start(cursor: number): { readonly client: Client; readonly record: Recorder } {
    recorder.add({ kind: 'start', cursor });
    const record = until(recorder);
    const client = connect({
      url: options.socketUrl,
      token: options.token,
      device: options.name,
      cursor,
      codec: options.codec,
      order: options.order,
      WebSocket,
      sendTimeoutMs: GIVE_UP_MS,
      backoff: { firstMs: 20, maxMs: 200 },
      trace: traceTo(record),
      on: {
        event(event) {
          record.add({ kind: 'took', lsn: event.lsn, conversation: event.conversation, ...seen(event) });
          took(event);
        },
        reset: ({ cursor, reason }) => record.add({ kind: 'reset', cursor, reason }),
        problem(problem) {
          if (problem.kind === 'closed') record.add({ kind: 'closed', code: problem.code });
        },
      },
    });
    return { client, record };
  }

  function took({ lsn, conversation, seq }: EventFrame): void {
    newest.set(conversation, seq);
    if (lsn - saved > 5) saved = lsn - 3;
  }

  async function attempt(one: Open): Promise<void> {
    const { client, record } = run;
    const { submission } = one;
    const { clientId, conversation, entry, body } = submission;
    record.add({ kind: 'invoke', clientId, conversation, entry, body });
    try {
      const { seq, lsn, at, duplicate, ...sent } = await ask(client, submission);
      record.add({
        kind: 'answer',
        outcome: 'sent',
        clientId,
        conversation: sent.conversation,
        seq,
        lsn,
        at,
        ...(duplicate === true ? { duplicate } : {}),
      });
      done(record, one, 'sent');
    } catch (thrown) {
      record.add({ kind: 'answer', outcome: 'error', clientId, code: Failure.from(thrown).code });
      done(record, one, 'error');
    }
  }

  /** What an earlier run of the program was told counts for nothing: the next one asks again. */
  function done(record: Recorder, one: Open, outcome: 'sent' | 'error'): void {
    if (record !== run.record) return;
    open.delete(one);
    one.settle(outcome);
  }

  return {
    user: options.user,
    name: options.name,
    newest,
    get cursor() {
      return run.client.cursor ?? 0;
    },
    submit: (submission) =>
      new Promise((settle) => {
        const one = { submission, settle };
        open.add(one);
        void attempt(one);
      }),
    read(conversation, seq) {
      run.client.read(conversation, seq).catch(() => {}); // watermarks may lose their last seconds (PROTOCOL 11.1)
    },
    async mute(conversation, until) {
      const { client, record } = run;
      asks += 1;
      const id = `${options.name}-mute-${asks}`;
      record.add({ kind: 'mute', id, conversation, until });
      try {
        await client.mute(conversation, until);
        record.add({ kind: 'done', id });
      } catch {
        // No `done`: the checker takes either outcome.
      }
    },
    async restart() {
      const { client, record } = run;
      (record as Until).stop();
      run = start(saved);
      await client.close();
      for (const one of open) void attempt(one);
    },
    async end() {
      const { client, record } = run;
      (record as Until).stop();
      await client.close();
      recorder.add({ kind: 'end' });
      await recorder.close();
    },
  };
}

interface Until extends Recorder {
  stop(): void;
}

/** A recorder that stops recording, because the program whose record it is has died. */
function until(recorder: Recorder): Until {
  let stopped = false;
  return {
    add(record) {
      if (!stopped) recorder.add(record);
    },
    close: () => recorder.close(),
    stop() {
      stopped = true;
    },
  };
}

function ask(client: Client, { clientId, conversation, entry, body }: TestSubmission): Promise<Sent> {
  const { title, members, users } = body as {
    readonly title: string;
    readonly members: readonly string[];
    readonly users: readonly string[];
  };
  switch (entry) {
    case 'message':
      return client.send(conversation, body, { clientId });
    case 'created':
      return client.createGroup({ group: conversation.slice(1), title, members }, { clientId });
    case 'added':
      return client.addMembers(conversation, users, { clientId });
    case 'removed':
      return client.removeMembers(conversation, users, { clientId });
    case 'renamed':
      return client.renameGroup(conversation, title, { clientId });
  }
}
