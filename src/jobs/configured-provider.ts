import { DomainError } from '../core/errors';

/**
 * Checks that new work can be done by the provider that has a model or generation.
 * @param has - the provider that has it
 * @throws DomainError PROVIDER_NOT_CONFIGURED
 */
export function assertConfigured(has: string, configured: { readonly name: string }, field: string): void {
  if (has === configured.name) return;
  throw new DomainError(
    'PROVIDER_NOT_CONFIGURED',
    `Its avatar service, "${has}", is not configured on this server. Ask the operator, or start again with "${configured.name}".`,
    { field, details: { provider: has } },
  );
}
