/** Tells the process that forked this one where it listens, and ends with it. */
export function ready(port: number): void {
  process.on('disconnect', () => process.exit(0));
  process.send?.({ port });
}
