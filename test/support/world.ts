import { setImmediate as turn } from 'node:timers/promises';
import { bodyOf, type Entry, pack } from '../../src/actors/entry.ts';
import { groupActor } from '../../src/actors/group.ts';
import type { Operation, ServerFrame, SessionCommand, UserActorSettings } from '../../src/actors/messages.ts';
import { userActor } from '../../src/actors/user.ts';
import type { SessionAddress, Sessions } from '../../src/cluster/actor.ts';
import { defaultRegionSettings, Region } from '../../src/cluster/region.ts';
import { soleOwner } from '../../src/cluster/ring.ts';
import { Failure } from '../../src/failure.ts';
import { type ClientId, conversationNamed, type DeviceId, type UserId } from '../../src/ids.ts';
import { silentLog } from '../../src/log.ts';
import { openMemoryStore } from '../../src/storage/memory.ts';
import type { Read, Row, Store, StoreTraits, Write } from '../../src/storage/store.ts';
import { ManualClock } from './manual-clock.ts';

export const testLimits: UserActorSettings = {
  groupIdSecret: 'a secret of tests',
  cacheEntriesMax: 15,
  devicesMax: 4,
  watchMax: 20,
  watchersMax: 100,
  blocksMax: 10,
  groupMembersMax: 8,
  unsettledPerUserMax: 100,
  offlineGraceMs: 5000,
  receiptCoalesceMs: 100,
  receiptMembersMax: 100,
  redeliverMs: 1000,
  lagAfterMs: 3000,
  pendingKeptMs: 30_000,
  askAgainMs: 1000,
  resubscribeMs: 60_000,
  watchSilencesMax: 3,
  hostedUnusedMax: 12,
  redeliverEntriesMax: 128,
  expireEveryMs: 3_600_000,
  inboxKeepMs: 30 * 86_400_000,
};

/** A store whose writes become durable, fail or are lost when the test says so; in order, as the port promises. */
export class Disk implements Store {
  readonly inner: Store;
  readonly #waiting: { readonly writes: readonly Write[]; readonly done: () => void; readonly failed: (failure: Failure) => void }[] = [];
  failing = false;
  /** Writes that hang for now, though later ones are stored: only where the store isn't `ordered`. */
  hangs: (writes: readonly Write[]) => boolean = () => false;
  readonly traits: StoreTraits;

  constructor(inner: Store, traits = inner.traits) {
    this.inner = inner;
    this.traits = traits;
  }

  get waiting(): number {
    return this.#waiting.filter(({ writes }) => !this.hangs(writes)).length;
  }

  get hanging(): number {
    return this.#waiting.length - this.waiting;
  }

  write(writes: readonly Write[]): Promise<void> {
    return new Promise((done, failed) => this.#waiting.push({ writes, done, failed }));
  }

  /** Makes the oldest `count` writes durable; or fails all, if it is failing. */
  async flush(count = this.#waiting.length): Promise<void> {
    const taken = this.#waiting.splice(0, this.failing ? this.#waiting.length : count);
    this.#waiting.unshift(...taken.filter(({ writes }) => this.hangs(writes)));
    for (const { writes, done, failed } of taken.filter(({ writes }) => !this.hangs(writes))) {
      if (this.failing) failed(new Failure('unavailable', 'the disk fails'));
      else {
        await this.inner.write(writes);
        done();
      }
    }
    this.failing = false;
  }

  /** The process died: what wasn't durable is gone. */
  lose(): void {
    this.#waiting.length = 0;
  }

  /** What was read, in order. */
  readonly reads: Read[] = [];
  /** Reads that fail: none, unless a test says so. */
  unreadable: (read: Read) => boolean = () => false;

  async read(read: Read): Promise<readonly Row[]> {
    this.reads.push(read);
    if (this.unreadable(read)) throw new Failure('unavailable', 'the disk can’t be read');
    return this.inner.read(read);
  }

  owners: Store['owners'] = (table, after, limit) => this.inner.owners(table, after, limit);
  status = () => this.inner.status();
  close = () => this.inner.close();
}

/** What a device was told, in order, with runs of events taken apart. */
export interface Seen {
  readonly lsn: number;
  readonly conversation: string;
  readonly entry: Entry;
}

export class Device {
  readonly user: UserId;
  readonly name: DeviceId;
  readonly session: SessionAddress;
  readonly frames: ServerFrame[] = [];
  readonly answers = new Map<number, ServerFrame[]>();
  readonly events: Seen[] = [];
  closed: number | undefined;
  cursor = 0;

  constructor(user: UserId, name: DeviceId, session: SessionAddress) {
    this.user = user;
    this.name = name;
    this.session = session;
  }

  take(tag: number, frame: ServerFrame): void {
    this.frames.push(frame);
    if (tag > 0) this.answers.set(tag, [...(this.answers.get(tag) ?? []), frame]);
    if (frame.type === 'welcome' || frame.type === 'reset') this.cursor = frame.cursor;
    if (frame.type !== 'events') return;
    frame.batch.entries.forEach((entry, index) => {
      const lsn = frame.firstLsn + index;
      if (lsn !== this.cursor + 1) return;
      this.cursor = lsn;
      this.events.push({ lsn, conversation: frame.conversation, entry });
    });
  }
}

type Ask = SessionCommand extends infer Any ? (Any extends SessionCommand ? Omit<Any, 'session' | 'tag'> : never) : never;

/** A node without sockets: the region and its actors over a store, on a clock that the test moves. */
export class World implements Sessions {
  readonly clock = new ManualClock();
  readonly disk: Disk;
  limits: UserActorSettings;
  region: Region;
  #devices = new Map<number, Device>();
  #tag = 0;
  #session = 0;

  constructor(limits: Partial<UserActorSettings> = {}, traits?: StoreTraits) {
    this.limits = { ...testLimits, ...limits };
    this.disk = new Disk(openMemoryStore({ clock: this.clock }), traits);
    this.region = this.#start();
  }

  #start(): Region {
    const kinds = [userActor(this.limits, this.disk.traits), groupActor(this.limits)];
    return new Region({
      node: 'n1',
      ring: soleOwner('n1'),
      store: this.disk,
      sessions: this,
      clock: this.clock,
      log: silentLog,
      settings: defaultRegionSettings,
      kinds,
    });
  }

  emit(session: SessionAddress, tag: number, frame: unknown): void {
    this.#devices.get(session.id)?.take(tag, frame as ServerFrame);
  }

  close(session: SessionAddress, code: number): void {
    const device = this.#devices.get(session.id);
    if (device !== undefined) device.closed = code;
    this.#devices.delete(session.id);
  }

  /** Until nobody has anything left to do: no turn is due, no write under way. Who waits for a failed read's next attempt is given time. */
  async settle(): Promise<void> {
    for (let quiet = 0, turns = 0; quiet < 5; turns++) {
      await turn();
      if (turns > 0 && turns % 100 === 0 && this.disk.hanging === 0) this.clock.advance(50);
      if (this.disk.waiting > 0) {
        await this.disk.flush();
        quiet = 0;
      } else if (this.region.quiet || this.disk.hanging > 0) quiet += 1;
      else quiet = 0;
    }
  }

  /** Moves time on in small steps, letting everybody act between. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.advance(Math.min(left, 500));
      await this.settle();
    }
  }

  tell(device: Device, ask: Ask): number {
    this.#tag += 1;
    this.region.tell({ kind: 'user', id: device.user }, { session: device.session, tag: this.#tag, ...ask } as SessionCommand);
    return this.#tag;
  }

  /** The answers to one request, once all is quiet. */
  async ask(device: Device, ask: Ask): Promise<readonly ServerFrame[]> {
    const tag = this.tell(device, ask);
    await this.settle();
    return device.answers.get(tag) ?? [];
  }

  /** Connects and reads on to the end of the inbox. */
  async connect(user: string, name = 'phone', cursor?: number): Promise<Device> {
    this.#session += 1;
    const device = new Device(user as UserId, name as DeviceId, { node: 'n1', id: this.#session });
    this.#devices.set(this.#session, device);
    await this.ask(device, { kind: 'connect', device: device.name, cursor, by: 'socket' });
    for (let end = false; !end && device.closed === undefined; ) {
      const answers = await this.ask(device, { kind: 'pull', after: device.cursor, limit: 100 });
      const pulled = answers.find((frame) => frame.type === 'pulled');
      end = pulled === undefined || pulled.end;
    }
    return device;
  }

  disconnect(device: Device): void {
    this.tell(device, { kind: 'disconnect', device: device.name });
    this.#devices.delete(device.session.id);
  }

  /** `kill -9` and a new start: `durable` of the writes under way made it to the disk. */
  async crash(durable = 0): Promise<void> {
    await this.disk.flush(durable);
    this.region.halt();
    this.disk.lose();
    this.#devices.clear();
    this.region = this.#start();
  }

  /** SIGTERM and a new start: everything that was under way is finished and written. */
  async restart(): Promise<void> {
    await this.settle();
    let done = false;
    const drained = this.region.drain(10_000).then(() => {
      done = true;
    });
    while (!done) {
      this.clock.advance(5);
      await turn();
      await this.disk.flush();
    }
    await drained;
    await this.crash();
  }

  async submit(device: Device, to: string, clientId: string, operation: Operation): Promise<ServerFrame | undefined> {
    return (await this.ask(device, submission(device.user, to, clientId, operation)))[0];
  }

  send(device: Device, to: string, clientId: string, text = clientId): Promise<ServerFrame | undefined> {
    return this.submit(device, to, clientId, message(text));
  }

  async end(): Promise<void> {
    await this.settle();
    this.region.halt();
    await this.disk.close();
  }
}

export const message = (text: string): Operation => ({ kind: 'message', body: pack({ text }) });

export const submission = (user: UserId, to: string, clientId: string, operation: Operation): Extract<Ask, { kind: 'submit' }> => ({
  kind: 'submit',
  conversation: conversationNamed(to, user),
  clientId: clientId as ClientId,
  operation,
});

export const textOf = (entry: Entry): unknown => bodyOf(entry)['text'];
