import type { Address } from './actor.ts';

/** Who owns which actor, and since when. Every row is written under the epoch at which its writer's node got it. */
export interface Ring {
  /** The node whose actor is the one and only of this address. */
  ownerOf(address: Address): string;
  /** The epoch at which the owner got it; grows with every change of owner. */
  epochOf(address: Address): number;
}

/** One node owns everything, for ever: the directory of its store is locked, so there can't be another. */
export const soleOwner = (node: string): Ring => ({ ownerOf: () => node, epochOf: () => 1 });
