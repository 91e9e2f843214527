import { DomainError } from './errors';

/** The maximum number of causes of an error that are inspected. */
const maxCauses = 20;

/** Whether an error or one of its causes is EMFILE (process limit) or ENFILE (system limit): no file descriptor is left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const pending = [error];
  for (let inspected = 0; inspected < maxCauses && pending.length > 0; inspected += 1) {
    const next = pending.shift();
    if (!(next instanceof Error)) continue;
    const { code, cause, errors, originalError } = next as Error & Partial<Record<string, unknown>>;
    if (code === 'EMFILE' || code === 'ENFILE') return true;
    pending.push(
      cause,
      originalError,
      ...(Array.isArray(errors) ? (errors as unknown[]).slice(0, maxCauses) : []),
    );
  }
  return false;
}

/** The client's error when the process has no file descriptor left. */
export function outOfDescriptors(cause: unknown): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'The server has too many open connections and files. Retry in a few seconds.',
    { cause },
  );
}
