import { pino } from 'pino';
import type { Log, LogFields } from './log.ts';

export interface LogSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Of lines: for eyes, or one JSON object per event. */
  readonly format: 'text' | 'json';
  readonly now: () => number;
}

/** What of a stream the log needs: it writes whole lines. */
export interface LineSink {
  write(line: string): unknown;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const COLORS: Readonly<Record<string, string>> = { debug: '\x1b[2m', info: '', warn: '\x1b[33m', error: '\x1b[31m' };

/** The log as JSON, for machines: one object per line, written before the call returns, so that a crash tells its reason. */
function jsonLog(level: string, sink: LineSink): Log {
  const formatters = { level: (label: string) => ({ level: label }) };
  const logger = pino(
    { level, base: null, messageKey: 'event', errorKey: 'error', timestamp: pino.stdTimeFunctions.isoTime, formatters },
    sink,
  );
  return {
    debug: (event, fields) => logger.debug(fields ?? {}, event),
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, fields) => logger.error(fields ?? {}, event),
  };
}

const shown = (value: unknown): string => {
  if (value instanceof Error) return value.stack ?? value.message;
  if (typeof value === 'string') return value;
  return JSON.stringify(value) ?? String(value);
};

/** `14:03:07  event-name  key=value key=value`, for eyes. */
function textLog(settings: LogSettings, sink: LineSink): Log {
  const line = (level: (typeof LEVELS)[number]) => (event: string, fields?: LogFields) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(settings.level)) return;
    const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' }).format(settings.now());
    const details = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
    const text = details.map(([key, value]) => `${key}=${shown(value)}`).join(' ');
    const color = COLORS[level] ?? '';
    sink.write(`${time}  ${color}${event}${color === '' ? '' : '\x1b[0m'}${text === '' ? '' : `  ${text}`}\n`);
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

export const openLog = (settings: LogSettings, sink: LineSink): Log =>
  settings.format === 'json' ? jsonLog(settings.level, sink) : textLog(settings, sink);
