import type { Observed } from './observed.ts';

export interface Violation {
  readonly rule: string;
  readonly what: string;
  /** Where it can be read: `file:line`, each with what stands there. */
  readonly evidence: readonly string[];
}

export type Report = (what: string, ...evidence: readonly { readonly where: string }[]) => void;

/** A rule has the name that the design gives it and finds where it is broken. */
export interface Rule {
  readonly name: string;
  find(observed: Observed, report: Report): void;
}

export function findViolations(observed: Observed, rules: readonly Rule[]): Violation[] {
  const violations: Violation[] = [];
  for (const rule of rules) {
    rule.find(observed, (what, ...evidence) => violations.push({ rule: rule.name, what, evidence: evidence.map(show) }));
  }
  return violations;
}

function show({ where, ...rest }: { readonly where: string }): string {
  const text = JSON.stringify(rest);
  return `${where}  ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`;
}
