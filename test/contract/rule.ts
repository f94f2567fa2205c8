import type { Store, StoreTraits } from '../../src/storage/store.ts';

/** A store in a place of its own, empty at first. */
export interface Place {
  readonly store: Store;
  /** Opens what a store that was closed has left in its place. Only where it is durable. */
  readonly reopen?: () => Promise<Store>;
  /** Makes the next write that reaches the disk fail, and lets all later ones through. */
  readonly failNextWrite?: () => void;
}

/** One promise of the port, as a sentence. It throws where it is broken. */
export interface Rule {
  readonly name: string;
  /** Undefined: it holds for every engine. */
  readonly claimed?: (traits: StoreTraits) => boolean;
  /** It is tried only in a place that has this. */
  readonly needs?: 'reopen' | 'failNextWrite';
  readonly holds: (place: Place) => Promise<void>;
}
