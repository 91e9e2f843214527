import type { ExecutionResult, FormattedExecutionResult } from 'graphql';
import type { Logger } from '../../core/logger';
import type { RequestNotes } from '../../graphql/context';
import { formatErrors } from '../../graphql/errors';
import type { OperationRecords } from './operation-records';
import { ResponseText } from './response-text';

/** Errors in a result, as clients receive them. */
type FormattedErrors = NonNullable<FormattedExecutionResult['errors']>;

/** Formats results for clients, identically for all transports. */
export class ResultFormat {
  /** @param hideSuggestions - whether suggestions, which reveal the schema, are removed from errors */
  constructor(
    private readonly logger: Logger,
    private readonly hideSuggestions: boolean,
    private readonly records: OperationRecords,
  ) {}

  /** The JSON of a result. */
  textOf(result: ExecutionResult, requestId: string): string {
    return result instanceof ResponseText ? result.text : JSON.stringify(this.format(result, requestId));
  }

  /** A result with formatted errors. */
  format(result: ExecutionResult, requestId: string): FormattedExecutionResult {
    if (result instanceof ResponseText) return result;
    const { errors, ...rest } = result;
    return errors ? { errors: this.formatErrors(errors, requestId), ...rest } : rest;
  }

  /** Formats and records errors that refuse an operation, or a whole request. */
  refuse(
    errors: readonly unknown[],
    { requestId, notes }: { requestId: string; notes?: RequestNotes },
  ): FormattedErrors {
    this.records.refused(errors, notes);
    return this.formatErrors(errors, requestId);
  }

  /** Records errors that refuse one operation of a request. */
  recordRefusal(errors: readonly unknown[], notes?: RequestNotes): void {
    this.records.refused(errors, notes);
  }

  /** Internal errors are masked and logged with the request's id. */
  private formatErrors(errors: readonly unknown[], requestId: string): FormattedErrors {
    const { logger, hideSuggestions } = this;
    return formatErrors(errors, { requestId, logger, hideSuggestions });
  }
}
