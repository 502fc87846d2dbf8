import winston from 'winston';
import { describe, escapeControls } from '../json.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** What the rest of the program sees of the logger: a message that is constant text, and fields that vary. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
}

export type Level = 'error' | 'warn' | 'info' | 'debug';

export interface LogOptions {
  /** Asked before each record, because the setting may change. */
  readonly level: Level | (() => Level);
  readonly format: 'json' | 'text';
  /** @default process.stderr */
  readonly stream?: NodeJS.WritableStream;
}

/** Whatever collects logs would cut a longer record anywhere, so it is written with shorter values instead. */
const LONGEST_RECORD_BYTES = 4096;
/** Characters of a value: with the last of these, 12 fields fit even when each character has to be escaped. */
const LONGEST_VALUES = [1024, 256, 40] as const;

/**
 * One record a line, of at most 4 KB. Errors are written with their causes. What others wrote is shown, not obeyed: control
 * characters, marks of direction and separators reach neither a terminal nor whoever reads the fields.
 */
export function createLog({ level, format, stream = process.stderr }: LogOptions): Log {
  const { combine, timestamp, printf } = winston.format;
  const line = format === 'json' ? asJson : asText;
  const levelNow = typeof level === 'string' ? () => level : level;
  const logger = winston.createLogger({
    level: levelNow(),
    format: combine(
      timestamp(),
      printf((record) => fit(record, line)),
    ),
    transports: [new winston.transports.Stream({ stream })],
  });
  const write = (at: Level) => (message: string, fields?: Fields) => {
    logger.level = levelNow();
    if (logger.isLevelEnabled(at)) logger.log({ level: at, message, ...printable(fields) });
  };
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}

/** An error and its causes in one line: "update Service a/b: 409 conflict: the object has been modified". */
export function explainError(error: unknown): string {
  const parts: string[] = [];
  for (let cause: unknown = error; cause !== undefined && parts.length < 8;) {
    parts.push(cause instanceof Error ? cause.message || cause.name : describe(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return parts.join(': ');
}

function printable(fields: Fields = {}): Fields {
  return mapValues(fields, (value) => (value instanceof Error ? explainError(value) : value));
}

/** The line with the longest values with which it is short enough. */
function fit(record: Fields, line: (record: Fields) => string): string {
  let text = '';
  for (const longest of LONGEST_VALUES) {
    text = line(mapValues(record, (value) => shorten(value, longest)));
    if (Buffer.byteLength(text) < LONGEST_RECORD_BYTES) break;
  }
  return text;
}

function shorten(value: unknown, longest: number): unknown {
  return typeof value === 'string' && value.length > longest ? `${value.slice(0, longest)}...` : value;
}

function asJson({ timestamp, level, message, ...fields }: Fields): string {
  const record = { timestamp, level, message, ...fields };
  return JSON.stringify(record, (_, value: unknown) => (typeof value === 'string' ? escapeControls(value) : value));
}

function asText({ timestamp, level, message, ...fields }: Fields): string {
  const quote = (value: unknown) => escapeControls(JSON.stringify(value) ?? 'undefined');
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${quote(value)}`);
  return [String(timestamp), String(level).toUpperCase().padEnd(5), quote(message).slice(1, -1), ...rest].join(' ');
}

function mapValues(fields: Fields, change: (value: unknown) => unknown): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, change(value)]));
}
