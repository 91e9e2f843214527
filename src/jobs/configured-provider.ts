import { DomainError } from '../core/errors';

/**
 * Checks that the provider of a model or generation is configured, so that new work can be submitted to it.
 * @param has - the provider of the model or generation
 * @throws DomainError PROVIDER_NOT_CONFIGURED
 */
export function assertConfigured(has: string, configured: { readonly name: string }, field: string): void {
  if (has === configured.name) return;
  throw new DomainError(
    'PROVIDER_NOT_CONFIGURED',
    `Its avatar service, "${has}", is not configured on this server. Contact the operator, or create a new one with "${configured.name}".`,
    { field, details: { provider: has } },
  );
}
