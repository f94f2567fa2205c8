import fc from 'fast-check';
import t from 'tap';
import { batchOf, pack, packEntry } from '../src/actors/entry.ts';
import type { EventsFrame } from '../src/actors/messages.ts';
import type { ClientId, ConversationId, UserId } from '../src/ids.ts';
import type { SomeEvents } from '../src/transport/codec.ts';
import { type Sent, Stream, type StreamEnds } from '../src/transport/stream.ts';

const HOLD_MS = 20;

/** A stream's session, and what reached the client. */
class Ends implements StreamEnds {
  now = 1_000;
  pulls: { readonly tag: number; readonly after: number }[] = [];
  holds = 0;
  /** `e5` is the event with lsn 5, `s5` the `sent`. */
  readonly written: string[] = [];
  readonly stream = new Stream(this);
  private tags = 0;

  write(frame: EventsFrame | SomeEvents | Sent): void {
    if (frame.type === 'sent') this.written.push(`s${frame.lsn}`);
    else {
      const { run, from, to } = frame.type === 'events' ? { run: frame, from: 0, to: frame.batch.entries.length } : frame;
      for (let i = from; i < to; i++) this.written.push(`e${run.firstLsn + i}`);
    }
  }

  wants(): void {}

  pull(after: number): number {
    this.pulls.push({ tag: ++this.tags, after });
    return this.tags;
  }

  holdUntil(): number {
    return this.now + HOLD_MS;
  }

  hold(): void {
    this.holds++;
  }

  /** Answers the oldest pull from a log of `end` events, `limit` at most. */
  answerPull(end: number, limit = 1_000): void {
    const pull = this.pulls.shift();
    if (pull === undefined) return;
    const last = Math.min(end, pull.after + limit);
    if (last > pull.after) this.stream.events(pull.tag, run(pull.after + 1, last));
    this.stream.pulled(pull.tag, pull.after >= end);
  }

  /** As a session does when a turn ends. */
  ask(): this {
    this.stream.ask();
    return this;
  }
}

function run(first: number, last: number, whose: 'own' | 'others' = 'others'): EventsFrame {
  const entries = Array.from({ length: last - first + 1 }, (_, i) =>
    packEntry(first + i, 'a' as UserId, 1, 'message', 'k' as ClientId, pack({})),
  );
  return { type: 'events', firstLsn: first, conversation: '@b', batch: batchOf('a:b' as ConversationId, entries), own: whose === 'own' };
}

const sent = (lsn: number): Sent => ({ type: 'sent', clientId: 'k' as ClientId, conversation: '@b', seq: lsn, lsn, at: 1 });

/** A stream that has read everything up to `cursor` and is told what follows. */
function flowing(cursor = 0): Ends {
  const ends = new Ends();
  ends.stream.start(cursor);
  ends.ask().answerPull(cursor);
  return ends;
}

t.test('it begins by reading on from its cursor, until the end', async (t) => {
  const ends = new Ends();
  ends.stream.start(3);
  t.same(ends.ask().pulls, [{ tag: 1, after: 3 }]);
  ends.answerPull(8, 3);
  t.same(ends.ask().pulls, [{ tag: 2, after: 6 }]);
  ends.answerPull(8, 3);
  ends.ask().answerPull(8);
  t.same(ends.ask().pulls, []);
  t.same(ends.written, ['e4', 'e5', 'e6', 'e7', 'e8']);
  t.equal(ends.stream.cursor, 8);
  t.ok(ends.stream.settled);
});

t.test('what is told is written once and in order, whatever comes twice', async (t) => {
  const { stream, written } = flowing(10);
  stream.events(0, run(5, 9));
  stream.events(0, run(9, 12));
  stream.events(0, run(11, 11));
  stream.events(0, run(12, 14));
  t.same(written, ['e11', 'e12', 'e13', 'e14']);
});

t.test('a gap is asked for, once', async (t) => {
  const ends = flowing(1);
  ends.stream.events(0, run(4, 4));
  ends.stream.events(0, run(5, 5));
  t.same(ends.ask().pulls, [{ tag: 2, after: 1 }]);
  ends.stream.events(0, run(6, 6));
  ends.answerPull(4);
  t.same(ends.ask().pulls, [{ tag: 3, after: 4 }], 'and again, where more was told meanwhile');
  ends.answerPull(6);
  t.same(ends.written, ['e2', 'e3', 'e4', 'e5', 'e6']);
});

t.test('sent takes the place of its own event', async (t) => {
  const ends = flowing();
  ends.stream.events(0, run(1, 2, 'own'));
  t.same(ends.written, []);
  t.equal(ends.holds, 1);
  ends.stream.sent(sent(1));
  ends.stream.events(0, run(3, 3));
  t.same(ends.written, ['s1'], 'what follows waits behind what is held');
  ends.stream.sent(sent(2));
  t.same(ends.written, ['s1', 's2', 'e3']);
  ends.stream.events(0, run(2, 3, 'own'));
  t.same(ends.written, ['s1', 's2', 'e3'], 'an event told later is dropped');
});

t.test('an own event is held for a moment only', async (t) => {
  const ends = flowing();
  ends.stream.events(0, run(1, 1, 'own'));
  ends.now += HOLD_MS / 2;
  ends.stream.events(0, run(2, 2, 'own'));
  ends.stream.events(0, run(3, 3));
  t.ok(ends.stream.release(ends.now) > ends.now, 'too soon');
  t.same(ends.written, []);
  ends.now += HOLD_MS / 2;
  t.ok(ends.stream.release(ends.now) > ends.now, 'the second one is held on');
  t.same(ends.written, ['e1']);
  ends.stream.sent(sent(1));
  t.same(ends.written, ['e1', 's1'], 'its sent is an answer only');
  ends.now += HOLD_MS;
  t.equal(ends.stream.release(ends.now), 0);
  t.same(ends.written, ['e1', 's1', 'e2', 'e3']);
});

t.test('no sent comes before the frames below it', async (t) => {
  const ends = flowing();
  ends.stream.sent(sent(3));
  t.same(ends.written, []);
  t.equal(ends.stream.held, 1);
  ends.ask().answerPull(4);
  t.same(ends.written, ['e1', 'e2', 's3', 'e4'], 'it stands in the place of its event then');
  t.equal(ends.stream.held, 0);
});

t.test('sents that overtake each other are put in order', async (t) => {
  const ends = flowing();
  ends.stream.events(0, run(1, 3, 'own'));
  ends.stream.sent(sent(3));
  ends.stream.sent(sent(2));
  t.same(ends.written, []);
  ends.stream.sent(sent(1));
  t.same(ends.written, ['s1', 's2', 's3']);
});

t.test('a full socket is told nothing, and what it missed is read from the log', async (t) => {
  const ends = flowing();
  ends.stream.pause();
  ends.stream.events(0, run(1, 3));
  ends.stream.sent(sent(4));
  t.same(ends.written, []);
  t.ok(ends.stream.paused);
  ends.stream.resume();
  ends.ask().answerPull(5);
  t.same(ends.written, ['e1', 'e2', 'e3', 's4', 'e5']);
});

t.test('a pull that was under way when the socket became full counts for nothing', async (t) => {
  const ends = new Ends();
  ends.stream.start(0);
  ends.ask();
  ends.stream.pause();
  ends.answerPull(3);
  t.same(ends.written, []);
  ends.stream.resume();
  ends.ask().answerPull(3);
  t.same(ends.written, ['e1', 'e2', 'e3']);
});

t.test('a pull that fails, or brings nothing, is asked again in time', async (t) => {
  const ends = new Ends();
  ends.stream.start(0);
  ends.ask();
  ends.stream.pullFailed(ends.pulls.shift()?.tag ?? 0);
  t.same(ends.ask().pulls, [], 'not at once');
  ends.stream.retry();
  t.equal(ends.ask().pulls.length, 1);
  ends.stream.pulled(ends.pulls.shift()?.tag ?? 0, false);
  t.same(ends.ask().pulls, [], 'not at once');
  ends.stream.retry();
  ends.ask().answerPull(1);
  ends.ask().answerPull(1);
  ends.stream.retry();
  t.same(ends.ask().pulls, [], 'and not when all is there');
});

t.test('a reset begins again, and answers what still waits', async (t) => {
  const ends = flowing(100);
  ends.stream.sent(sent(103));
  ends.stream.start(105);
  t.same(ends.written, ['s103']);
  ends.ask().answerPull(106);
  t.same(ends.written, ['s103', 'e106']);
});

type Step =
  | { readonly kind: 'append'; readonly count: number; readonly own: boolean; readonly told: 'yes' | 'twice' | 'lost' }
  | { readonly kind: 'sent'; readonly which: number }
  | { readonly kind: 'pull'; readonly limit: number }
  | { readonly kind: 'fail' | 'pause' | 'resume' | 'tick' | 'retry' };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 3 }),
        own: fc.boolean(),
        told: fc.constantFrom('yes', 'yes', 'twice', 'lost'),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('sent' as const), which: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('pull' as const), limit: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('fail', 'pause', 'resume', 'tick', 'retry') }) },
  ),
  { maxLength: 60 },
);

t.test('gap-free, and always-answered: whatever is lost, late or twice, the client reads each lsn once', async () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const ends = flowing();
      const { stream } = ends;
      let end = 0;
      const unanswered: number[] = [];
      const own: number[] = [];
      for (const step of steps) {
        switch (step.kind) {
          case 'append': {
            const first = end + 1;
            end += step.count;
            if (step.own)
              for (let lsn = first; lsn <= end; lsn++) {
                unanswered.push(lsn);
                own.push(lsn);
              }
            const frame = run(first, end, step.own ? 'own' : 'others');
            if (step.told !== 'lost') stream.events(0, frame);
            if (step.told === 'twice') stream.events(0, frame);
            break;
          }
          case 'sent': {
            const [lsn] = unanswered.splice(step.which % Math.max(1, unanswered.length), 1);
            if (lsn !== undefined) stream.sent(sent(lsn));
            break;
          }
          case 'pull':
            ends.answerPull(end, step.limit);
            break;
          case 'fail':
            stream.pullFailed(ends.pulls.shift()?.tag ?? 0);
            break;
          case 'tick':
            ends.now += HOLD_MS / 2;
            stream.release(ends.now);
            break;
          default:
            stream[step.kind]();
        }
        if (step.kind !== 'pull') ends.ask();
      }
      for (const lsn of unanswered.splice(0)) stream.sent(sent(lsn));
      stream.resume();
      ends.now += 10 * HOLD_MS;
      stream.release(ends.now);
      // What comes next shows a gap, if the last that was told was lost.
      stream.events(0, run(++end, end));
      for (let round = 0; round < 200 && stream.cursor < end; round++) {
        stream.retry();
        ends.ask().answerPull(end);
        stream.release(ends.now + HOLD_MS);
      }
      return isGapFree(ends.written, end) && own.every((lsn) => ends.written.includes(`s${lsn}`));
    }),
    { numRuns: 2_000 },
  );
});

/** Each lsn moves the cursor once; a `sent` either moves it or comes after it, and comes once. */
function isGapFree(written: readonly string[], end: number): boolean {
  let cursor = 0;
  for (const [at, name] of written.entries()) {
    const lsn = Number(name.slice(1));
    if (lsn === cursor + 1) cursor = lsn;
    else if (!name.startsWith('s') || lsn > cursor) return false;
    if (name.startsWith('s') && written.indexOf(name) !== at) return false;
  }
  return cursor === end;
}
