/** The node can't start here. The message is one sentence for whoever typed the command; nothing was touched. */
export class StartError extends Error {
  constructor(message: string, options?: { cause: unknown }) {
    super(message, options);
    this.name = 'StartError';
  }
}
