import type { ClientFrame, ServerFrame } from '../../src/client/frames.ts';
import { type Recorder, seen } from './record.ts';

/** Records what of the frames on a connection the checker wants to know. */
export const traceTo =
  (record: Recorder) =>
  (_direction: 'in' | 'out', frame: ClientFrame | ServerFrame): void => {
    switch (frame.type) {
      case 'hello':
        return record.add({ kind: 'hello', ...(frame.cursor === undefined ? {} : { cursor: frame.cursor }) });
      case 'welcome':
        return record.add({ kind: 'welcome', cursor: frame.cursor });
      case 'event':
        return record.add({ kind: 'event', lsn: frame.lsn, conversation: frame.conversation, ...seen(frame) });
      case 'sent': {
        const { clientId, conversation, seq, lsn, at, duplicate } = frame;
        return record.add({ kind: 'sent', clientId, conversation, seq, lsn, at, ...(duplicate === true ? { duplicate } : {}) });
      }
      case 'error':
        if (frame.clientId !== undefined) record.add({ kind: 'refused', clientId: frame.clientId, code: frame.code });
        return;
      case 'send':
      case 'group.create':
      case 'group.add':
      case 'group.remove':
      case 'group.rename':
        return record.add({ kind: 'wrote', clientId: frame.clientId });
      default:
        return;
    }
  };
