import { pino, type DestinationStream, type Logger, type LevelWithSilent } from 'pino';
import { terminalLine } from './terminal-line';

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
 * The process's logger: one JSON object per line, or readable text if standard output is a terminal. Child loggers carry
 * the ids of their subject: `requestId`, `modelId`, `generationId`, `attempt`.
 * @param destination - receives the lines.
 * @defaultValue standard output
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
  standardOutput ??= new LineBatches();
  return pino(options, destination ?? standardOutput);
}

/** Shared by all loggers of the process. */
let standardOutput: LineBatches | undefined;

/** Lines from this level on are written at once: 40 is `warn`. */
const immediateLevel = 40;

/**
 * Writes lines to standard output, those of one turn of the event loop by one call. A killed process loses at most the
 * lines of a turn, but none from `warn` on, with those before it. Lines that cannot be written, such as to a full disk,
 * are lost and counted: the process continues without them.
 */
class LineBatches implements DestinationStream {
  /** The level of the line; set by pino. */
  lastLevel = 0;
  private lines = '';
  /** How many lines were lost since the last ones that were written. */
  private lost = 0;
  private output = this.open();
  private readonly isTerminal = process.stdout.isTTY;
  private readonly hasColours = process.stdout.isTTY && process.stdout.hasColors();

  constructor() {
    // Asks pino to set `lastLevel`.
    Object.defineProperty(this, Symbol.for('pino.metadata'), { value: true });
    process.once('exit', () => this.flush());
  }

  write(line: string): void {
    if (this.lines === '') setImmediate(() => this.flush());
    this.lines += this.formatted(line);
    if (this.lastLevel >= immediateLevel) this.flush();
  }

  private flush(): void {
    const { lines, output, lost } = this;
    if (lines === '') return;
    this.lines = '';
    // The last line may have been written in part.
    output.write(lost > 0 ? `\n${this.formatted(lossLine(lost))}${lines}` : lines);
    const isWritten = this.output === output;
    this.lost = isWritten ? 0 : lost + lines.split('\n').length - 1;
  }

  /** Replaced after an error: it would keep what it could not write, and write it again. */
  private open(): ReturnType<typeof pino.destination> {
    const output = pino.destination({ fd: 1, sync: true });
    output.on('error', () => (this.output = this.open()));
    return output;
  }

  private formatted(line: string): string {
    return this.isTerminal ? terminalLine(line, this.hasColours) : line;
  }
}

function lossLine(lines: number): string {
  const msg = 'lines of the log could not be written';
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), lines, msg })}\n`;
}

/** Maximum number of causes in a logged error. */
const maxCauses = 3;

/**
 * Converts an error for the log. Omits properties that libraries add (SQL statement, parameters, row, request), because
 * they may contain a prompt, a password or a signature.
 */
export function loggableError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  const causes = causesOf(error);
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    stack,
    ...(causes.length > 0 && { cause: causes.join(' < ') }),
  };
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let { cause } = error; cause instanceof Error && causes.length < maxCauses; cause = cause.cause) {
    causes.push(`${cause.name}: ${cause.message}`);
  }
  return causes;
}
