import type { Logger } from '../core/logger';

/** An answer that takes this long has a line in any case, in milliseconds. */
const slowMs = 1_000;

/** An answer to a request or an operation. */
export interface Answered {
  readonly ms: number;
  /** Whether it is an error, has errors, or was not received completely. */
  readonly isError: boolean;
}

/** Log lines of answers: all of errors and of slow ones, and a share of the others. */
export class AnswerLines {
  /** Answers have no values that must be redacted, and their lines are the most frequent ones. */
  private readonly logger: Logger;

  /** @param share - of the lines of other answers, from 0 to 1. @defaultValue 1 */
  constructor(
    logger: Logger,
    private readonly share = 1,
  ) {
    this.logger = logger.child({}, { redact: [] });
  }

  /** @param fields - makes the line; called only if it is written */
  write(level: 'info' | 'debug', message: string, { ms, isError }: Answered, fields: () => object): void {
    if (!this.logger.isLevelEnabled(level)) return;
    const isWritten = isError || ms >= slowMs || this.share === 1 || Math.random() < this.share;
    if (isWritten) this.logger[level](fields(), message);
  }
}
