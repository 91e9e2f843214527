import { useConnection } from '../api/connection';
import { useOrder, type OrderState } from './useOrder';

/** What a retry takes. */
export interface RetryInput {
  readonly id: string;
  /** The attempt that the viewer has seen. */
  readonly attempt: number;
  readonly missingOnly?: boolean;
}

/** Retries a model or generation, which is paid again: once for each attempt that the viewer has seen. */
export function useRetry(id: string): OrderState<RetryInput> {
  const { likeness } = useConnection();
  return useOrder(
    `retry.${id}`,
    ({ input, idempotencyKey }: { input: RetryInput; idempotencyKey: string }) =>
      likeness.retry({ ...input, idempotencyKey }),
    () => undefined,
  );
}
