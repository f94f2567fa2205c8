import { pathToFileURL } from 'node:url';
import { type Observed, observe, readRecords } from './observed.ts';
import { ackedIsStored } from './rules/acked-is-stored.ts';
import { alwaysAnswered } from './rules/always-answered.ts';
import { doneIsKept } from './rules/done-is-kept.ts';
import { gapFree } from './rules/gap-free.ts';
import { neverDoubled } from './rules/never-doubled.ts';
import { sameOrder } from './rules/same-order.ts';
import { findViolations, type Violation } from './violation.ts';

/**
 * The history checker: reads what clients recorded, and nothing else, and finds where a promise was broken.
 *
 *     node dist/test/crash/check.js DIRECTORY
 */
export const RULES = [ackedIsStored, neverDoubled, sameOrder, gapFree, alwaysAnswered, doneIsKept];

export const check = (observed: Observed): readonly Violation[] => findViolations(observed, RULES);

export { observe, readRecords };

/** What a person reads of it: the first violations of each rule with their evidence, and how many there are. */
export function describe(violations: readonly Violation[], perRule = 10): string {
  const lines: string[] = [];
  for (const { name } of RULES) {
    const of = violations.filter(({ rule }) => rule === name);
    lines.push(`${name}: ${of.length === 0 ? 'holds' : `broken ${of.length} times`}`);
    for (const { what, evidence } of of.slice(0, perRule)) lines.push(`  ${what}`, ...evidence.map((line) => `      ${line}`));
    if (of.length > perRule) lines.push(`  … and ${of.length - perRule} more`);
  }
  return lines.join('\n');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const directory = process.argv[2];
  if (directory === undefined) {
    console.error('which directory? node dist/test/crash/check.js DIRECTORY');
    process.exit(2);
  }
  const violations = check(readRecords(directory));
  console.log(describe(violations));
  process.exit(violations.length === 0 ? 0 : 1);
}
