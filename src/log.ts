/**
 * What happened, for whoever runs the node: an event's name and its fields. The name is a constant
 * (`actor-crashed`), so that it can be searched for and counted; all that varies is in the fields.
 */
export interface Log {
  /** For whoever looks for a fault; silent by default. */
  debug(event: string, fields?: LogFields): void;
  /** A step in the node's life. Nothing that happens per message or per connection. */
  info(event: string, fields?: LogFields): void;
  /** It goes on, but somebody should look. */
  warn(event: string, fields?: LogFields): void;
  /** Something that shouldn't happen did. An `Error` goes into the field `error`. */
  error(event: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

const nothing = (): void => {};

/** For tests, and for those who have nobody to tell. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
