import { lifeRules } from './life-rules.ts';
import { logRules } from './log-rules.ts';
import { modelRules } from './model-rules.ts';
import type { Place, Rule } from './rule.ts';
import { tableRules } from './table-rules.ts';
import { writeRules } from './write-rules.ts';

const storeRules: readonly Rule[] = [...logRules, ...tableRules, ...writeRules, ...lifeRules, ...modelRules];

export interface SuiteOptions {
  readonly name: string;
  readonly test: (name: string, run: () => Promise<void>) => void;
  readonly open: () => Promise<Place>;
}

/**
 * What every engine promises: `test` gets each rule that applies to the engine, with a place of its own.
 * No rule asks which engine it is.
 */
export function storeSuite({ name, test, open }: SuiteOptions): void {
  for (const rule of storeRules) {
    test(`${name}: ${rule.name}`, async () => {
      const place = await open();
      try {
        const applies = rule.claimed?.(place.store.traits) ?? true;
        if (applies && (rule.needs === undefined || place[rule.needs] !== undefined)) await rule.holds(place);
      } finally {
        await place.store.close();
      }
    });
  }
}
