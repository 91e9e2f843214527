import { registerEnumType } from 'type-graphql';
import type { Scope } from '../core/viewer';

/** {@link Scope} as a GraphQL enum. */
export const ScopeEnum = { READ: 'read', WRITE: 'write', ADMIN: 'admin' } as const satisfies Record<
  Uppercase<Scope>,
  Scope
>;

registerEnumType(ScopeEnum, {
  name: 'Scope',
  description: 'What a caller may do. More values will be added.',
  valuesConfig: {
    READ: { description: 'Queries and subscriptions.' },
    WRITE: { description: 'Mutations.' },
    ADMIN: { description: 'The field `operator`.' },
  },
});
