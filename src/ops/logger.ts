// Structured logs on stderr: ids as fields, constant messages. info = something changed, warn = we coped,
// error = someone must look. stdout belongs to the commands' answers.
import { pino } from 'pino';

export type Logger = {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
};

/** Named secrets never reach a line, wherever in the fields they stand. */
const REDACTED = [
  'privateKey',
  'mnemonic',
  'databaseUrl',
  'databaseDirectUrl',
  'redisUrl',
  'connectionString',
  'password',
];

export function createLogger(component: string, level: string): Logger {
  return pino(
    {
      level,
      base: { component },
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** What is worth a line of an error; a database error's detail may quote a row, so it is left out. */
export function errorFields(error: unknown): { error: string; code?: unknown } {
  if (!(error instanceof Error)) return { error: String(error) };
  return 'code' in error ? { error: error.message, code: error.code } : { error: error.message };
}
