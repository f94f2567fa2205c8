import { appended } from '../appended.ts';
import type { Conclusion, Effect } from '../cluster/actor.ts';
import type { Write } from '../storage/store.ts';

const NOTHING: readonly never[] = [];

/** A conclusion that is being drawn. */
export class ConclusionDraft implements Conclusion {
  private written: Write[] | undefined = undefined;
  private told: Effect[] | undefined = undefined;

  get writes(): readonly Write[] {
    return this.written ?? NOTHING;
  }

  get effects(): readonly Effect[] {
    return this.told ?? NOTHING;
  }

  write(write: Write): void {
    this.written = appended(this.written, write);
  }

  tell(effect: Effect): void {
    this.told = appended(this.told, effect);
  }
}
