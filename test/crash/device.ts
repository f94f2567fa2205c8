import type { Body } from '../../src/client/frames.ts';

/** A device that takes part in a round and records what it sees. */
export interface TestDevice {
  readonly user: string;
  readonly name: string;
  /** Sends and records the answer; never rejects. */
  submit(submission: TestSubmission): Promise<'sent' | 'error'>;
  /** Says that the user has read this far, if the device can now. */
  read(conversation: string, seq: number): void;
  /** Mutes a conversation and records whether the server said that it is done. */
  mute(conversation: string, until: number): Promise<void>;
  /** The newest entry of each conversation that the device knows. */
  readonly newest: ReadonlyMap<string, number>;
  readonly cursor: number;
  /** Its program dies and starts anew with what it had saved a moment ago. */
  restart(): Promise<void>;
  /** Stops it and its record. */
  end(): Promise<void>;
}

export interface TestSubmission {
  readonly clientId: string;
  readonly conversation: string;
  readonly entry: 'message' | 'created' | 'added' | 'removed' | 'renamed';
  readonly body: Body;
}

export interface DeviceOptions {
  readonly user: string;
  readonly name: string;
  readonly url: string;
  readonly socketUrl: string;
  readonly token: string;
  /** Where its record goes. */
  readonly directory: string;
}

/** A device gives up after this, and the answer is recorded as a time-out. */
export const GIVE_UP_MS = 30_000;

/** The frame that asks for a submission. */
export function frameOf({ clientId, conversation, entry, body }: TestSubmission): {
  readonly type: string;
  readonly [field: string]: unknown;
} {
  switch (entry) {
    case 'message':
      return { type: 'send', clientId, conversation, body };
    case 'created':
      return { type: 'group.create', clientId, group: conversation.slice(1), ...body };
    case 'added':
      return { type: 'group.add', clientId, conversation, ...body };
    case 'removed':
      return { type: 'group.remove', clientId, conversation, ...body };
    case 'renamed':
      return { type: 'group.rename', clientId, conversation, ...body };
  }
}
