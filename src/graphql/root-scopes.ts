import { defaultFieldResolver, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { Extensions } from 'type-graphql';
import { DomainError } from '../core/errors';
import type { Scope } from '../core/viewer';
import type { GraphQLContext } from './context';

/** Restricts a query or mutation to operators: it requires the scope `admin` instead of the default scope. */
export const ForOperators = (): MethodDecorator & PropertyDecorator => Extensions({ scope: 'admin' });

type Resolve = GraphQLFieldResolver<unknown, GraphQLContext>;

/**
 * Makes every root field require its scope: `read` for queries and subscriptions, `write` for mutations, `admin` for
 * fields with {@link ForOperators}.
 *
 * Scopes are enforced only here. In the schema, the check applies to every transport, batch and persisted query and to
 * every new root field. It also wraps `subscribe`, which type-graphql's middlewares do not, so that a subscription is
 * refused before it reads data. Nested fields are reachable only through a root field and need no check.
 */
export function requireScopes(schema: GraphQLSchema): void {
  const roots = [
    { type: schema.getQueryType(), defaultScope: 'read' },
    { type: schema.getMutationType(), defaultScope: 'write' },
    { type: schema.getSubscriptionType(), defaultScope: 'read' },
  ] as const;
  for (const { type, defaultScope } of roots) {
    for (const field of Object.values(type?.getFields() ?? {})) {
      const scope = (field.extensions as { scope?: Scope }).scope ?? defaultScope;
      field.resolve = withScope(scope, field.resolve as Resolve | undefined);
      if (field.subscribe) field.subscribe = withScope(scope, field.subscribe as Resolve);
    }
  }
}

function withScope(
  scope: Scope,
  resolve: Resolve = defaultFieldResolver,
): GraphQLFieldResolver<unknown, unknown> {
  return (source, args, context, info) => {
    const { viewer } = context as GraphQLContext;
    if (!viewer.scopes.has(scope)) throw missingScope(scope, viewer.scopes);
    return resolve(source, args as Record<string, unknown>, context as GraphQLContext, info);
  };
}

function missingScope(needed: Scope, given: ReadonlySet<Scope>): DomainError {
  const has = given.size > 0 ? `has only ${[...given].join(' and ')}` : 'has no scope';
  return new DomainError('FORBIDDEN', `This needs the scope ${needed}; your token or key ${has}.`, {
    details: { needed, given: [...given] },
  });
}
