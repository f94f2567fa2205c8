/** A bug, found where state crosses a boundary: it ends the activation that has it, not the process. */
export class AssertionError extends Error {
  constructor(rule: string) {
    super(`broken rule: ${rule}`);
    this.name = 'AssertionError';
  }
}

export function assert(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new AssertionError(rule);
}
