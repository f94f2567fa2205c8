import { Failure } from '../failure.ts';
import type { Address, Command } from './actor.ts';
import type { Ring } from './ring.ts';

/** What routes need of a region. */
interface Local {
  tell(to: Address, command: Command): void;
}

/**
 * Brings a command to the one activation of its address. Only here is it decided whether that is on this node;
 * with links to other nodes, the other branch forwards.
 */
export class Router {
  readonly #node: string;
  readonly #ring: Ring;
  readonly #local: Local;

  constructor(node: string, ring: Ring, local: Local) {
    this.#node = node;
    this.#ring = ring;
    this.#local = local;
  }

  tell(to: Address, command: Command): void {
    const owner = this.#ring.ownerOf(to);
    if (owner !== this.#node) throw new Failure('unavailable', `${to.kind} ${to.id} lives on ${owner}, which can't be reached from here`);
    this.#local.tell(to, command);
  }
}
