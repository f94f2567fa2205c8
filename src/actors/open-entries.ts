import type { Address } from '../cluster/actor.ts';
import type { ClientId, UserId } from '../ids.ts';
import { NumberedQueue } from '../numbered-queue.ts';
import { SmallMap } from '../small-map.ts';
import type { Entry } from './entry.ts';

/** Who an entry goes to; replaced, never changed. */
export type Roster = readonly Address[];

/** An entry that some member may still lack. */
export interface OpenEntry {
  readonly entry: Entry;
  readonly roster: Roster;
  /** Members other than the sender that haven't confirmed. */
  waiting: number;
  senderHas: boolean;
  /** When (steady) it was posted, or last told again; 0 where it was read back and not told yet. */
  postedAt: number;
  /** The next one with the same client id, of another sender. */
  sameClientId: OpenEntry | undefined;
}

/** The open entries of a conversation, by seq and by what their senders call them. */
export class OpenEntries {
  readonly #bySeq = new NumberedQueue<OpenEntry>();
  readonly #byClientId = new SmallMap<ClientId, OpenEntry>();

  get size(): number {
    return this.#bySeq.size;
  }

  /** The lowest seq. */
  get first(): number | undefined {
    return this.#bySeq.first;
  }

  get(seq: number): OpenEntry | undefined {
    return this.#bySeq.get(seq);
  }

  /** The one that `from` sent under this id. */
  sentAs(from: UserId, clientId: ClientId): OpenEntry | undefined {
    let open = this.#byClientId.get(clientId);
    while (open !== undefined && open.entry.from !== from) open = open.sameClientId;
    return open;
  }

  /** Seqs ascend. */
  add(open: OpenEntry): void {
    const { seq, clientId } = open.entry;
    open.sameClientId = this.#byClientId.get(clientId);
    this.#bySeq.push(seq, open);
    this.#byClientId.set(clientId, open);
  }

  close({ entry: { seq, clientId }, sameClientId }: OpenEntry): void {
    this.#bySeq.delete(seq);
    let before = this.#byClientId.get(clientId);
    if (before?.entry.seq === seq) {
      if (sameClientId === undefined) this.#byClientId.delete(clientId);
      else this.#byClientId.set(clientId, sameClientId);
      return;
    }
    while (before !== undefined && before.sameClientId?.entry.seq !== seq) before = before.sameClientId;
    if (before !== undefined) before.sameClientId = sameClientId;
  }

  /** In ascending order. What is open now: entries may be closed meanwhile. */
  values(): readonly OpenEntry[] {
    return this.#bySeq.values();
  }
}
