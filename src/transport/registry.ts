import type { ServerFrame } from '../actors/messages.ts';
import type { SessionAddress, Sessions } from '../cluster/actor.ts';

/** Whoever has a session number: a WebSocket, a polling device, a POST. */
export interface Receiver {
  emit(tag: number, frame: ServerFrame): void;
  close(code: number, reason: string): void;
  /** Called about once a second, with the seconds since the gateway began. */
  sweep(second: number): void;
  /** The node is about to end; `closed` in time, or it will be. */
  goaway(reason: string, afterMs: number): void;
}

/** The sessions of this node by their numbers. */
export class Registry implements Sessions {
  private readonly node: string;
  private readonly receivers = new Map<number, Receiver>();
  private sweeping: Iterator<Receiver> | undefined;
  private last = 0;

  constructor(node: string) {
    this.node = node;
  }

  get size(): number {
    return this.receivers.size;
  }

  add(receiver: Receiver): SessionAddress {
    const id = ++this.last;
    this.receivers.set(id, receiver);
    return { node: this.node, id };
  }

  remove(address: SessionAddress): void {
    this.receivers.delete(address.id);
  }

  emit(session: SessionAddress, tag: number, frame: unknown): void {
    this.receivers.get(session.id)?.emit(tag, frame as ServerFrame);
  }

  close(session: SessionAddress, code: number, reason: string): void {
    this.receivers.get(session.id)?.close(code, reason);
  }

  all(): Iterable<Receiver> {
    return this.receivers.values();
  }

  /** Sweeps a part of the sessions, so that all are swept in `parts` calls and none makes a long pause. */
  sweep(second: number, parts: number): void {
    this.sweeping ??= this.receivers.values();
    for (let left = Math.ceil(this.receivers.size / parts); left > 0; left--) {
      const { done, value } = this.sweeping.next();
      if (done === true) {
        this.sweeping = undefined;
        return;
      }
      value.sweep(second);
    }
  }
}
