import type { ExecutionResult } from 'graphql';

/** A result without errors, as the text of its response. */
export class ResponseText implements ExecutionResult {
  readonly errors = undefined;

  constructor(readonly text: string) {}
}

/** Serializes a result without errors. Errors are formatted for each client. */
export function asText(result: ExecutionResult): ExecutionResult {
  return result.errors ? result : new ResponseText(JSON.stringify(result));
}
