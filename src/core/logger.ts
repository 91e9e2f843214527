import { pino, type DestinationStream, type Logger, type LevelWithSilent } from 'pino';
import { loggableError } from './loggable-error';

export type { Logger } from 'pino';

/** Keys whose values are redacted in the first three levels of a logged object. */
const secretKeys = [
  'authorization',
  'cookie',
  'apiKey',
  'password',
  'secret',
  'token',
  'signature',
  'prompt',
  'prompts',
  'url',
  'sourceUrl',
];

/**
 * The process's logger: one JSON object per line. Child loggers carry the ids of their subject: `requestId`, `modelId`,
 * `generationId`, `attempt`.
 * @param destination - receives the lines. \@defaultValue standard output
 */
export function createLogger(level: LevelWithSilent, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // pino's own serializer prints every property that a library adds to its errors.
    serializers: { err: loggableError },
    redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[hidden]' },
  };
  return destination ? pino(options, destination) : pino(options);
}
