import { DomainError } from './errors';

/** How many causes of an error are looked at. */
const maxCauses = 20;

/** Whether an error, or one behind it, says that this process (EMFILE) or this machine (ENFILE) has no descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const pending = [error];
  for (let looked = 0; looked < maxCauses && pending.length > 0; looked += 1) {
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

/** What the caller of a request gets then. */
export function outOfDescriptors(cause: unknown): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'The server has too many open connections and files right now. Send the request again in a few seconds.',
    { cause },
  );
}
