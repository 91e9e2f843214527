import type { ExecutionResult } from 'graphql';

/** A result without errors, as the text of its response. */
export class ResponseText implements ExecutionResult {
  readonly errors = undefined;

  constructor(readonly text: string) {}
}
