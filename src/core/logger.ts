import { pino, type Logger, type LevelWithSilent } from 'pino';

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
 */
export function createLogger(level: LevelWithSilent): Logger {
  return pino({
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[hidden]' },
  });
}
