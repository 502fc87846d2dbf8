import winston from 'winston';
import { describe } from '../json.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** What the rest of the program sees of the logger: a message that is constant text, and fields that vary. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
}

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly format: 'json' | 'text';
  /** @default process.stderr */
  readonly stream?: NodeJS.WritableStream;
}

const LONGEST_VALUE = 1024;

/** One record a line. Errors are written with their causes; control characters never reach the terminal raw. */
export function createLog({ level, format, stream = process.stderr }: LogOptions): Log {
  const { combine, timestamp, json, printf } = winston.format;
  const logger = winston.createLogger({
    level,
    format: combine(timestamp(), format === 'json' ? json() : printf(asText)),
    transports: [new winston.transports.Stream({ stream })],
  });
  const write = (at: LogOptions['level']) => (message: string, fields?: Fields) => {
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
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => {
      const plain = value instanceof Error ? explainError(value) : value;
      return [
        key,
        typeof plain === 'string' && plain.length > LONGEST_VALUE ? `${plain.slice(0, LONGEST_VALUE)}...` : plain,
      ];
    }),
  );
}

function asText({ timestamp, level, message, ...fields }: winston.Logform.TransformableInfo): string {
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return [String(timestamp), level.toUpperCase().padEnd(5), JSON.stringify(message).slice(1, -1), ...rest].join(' ');
}
