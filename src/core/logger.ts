import { pino, type DestinationStream, type Logger, type LevelWithSilent } from 'pino';
import { loggableError } from './loggable-error';

export type { Logger } from 'pino';

/** Keys whose values never reach a log, wherever they stand in the first levels of a logged object. */
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
 * The process's logger: one JSON object a line on standard output.
 * Children carry the ids of what they speak of: `requestId`, `modelId`, `generationId`, `attempt`.
 * @param destination - takes the lines. \@defaultValue standard output
 */
export function createLogger(level: LevelWithSilent, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // The standard one prints all that a library has hung on its errors.
    serializers: { err: loggableError },
    redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[hidden]' },
  };
  return destination ? pino(options, destination) : pino(options);
}
