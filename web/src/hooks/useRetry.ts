import { type OperationResult } from '@urql/core';
import { useOrder, type OrderState } from './useOrder';

/** What a retry mutation takes. */
export interface RetryInput {
  readonly id: string;
  readonly attempt: number;
  readonly missingOnly?: boolean;
}

/**
 * Retries a job, which is paid again: once for each attempt that the viewer has seen.
 * @param send - the mutation, with the key of the order
 */
export function useRetry(
  id: string,
  send: (input: RetryInput & { idempotencyKey: string }) => Promise<OperationResult>,
): OrderState<RetryInput> {
  return useOrder<RetryInput, unknown>(
    `retry.${id}`,
    ({ input, idempotencyKey }) => send({ ...input, idempotencyKey }),
    () => undefined,
  );
}
