import { defaultFieldResolver, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { Extensions } from 'type-graphql';
import { DomainError } from '../core/errors';
import type { Scope } from '../core/viewer';
import type { GraphQLContext } from './context';

/** Marks a query or mutation as one for operators: it needs the scope `admin`, and no other. */
export const ForOperators = (): MethodDecorator & PropertyDecorator => Extensions({ scope: 'admin' });

type Resolve = GraphQLFieldResolver<unknown, GraphQLContext>;

/**
 * Makes every root field ask for its scope before it does anything: queries and subscriptions for `read`, mutations
 * for `write`, what is {@link ForOperators} for `admin`.
 *
 * The one place where scopes are enforced. It is in the schema and not at a door, so that no door, batch or persisted
 * query can go around it; it walks the root types, so that a field that is added tomorrow has its scope without anybody
 * thinking of it; and it wraps `subscribe` too, which the middlewares of type-graphql do not, so that a subscription is
 * refused before it reads anything. Fields below the root need nothing: whoever got there was let in above.
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
      field.resolve = asking(scope, field.resolve as Resolve | undefined);
      if (field.subscribe) field.subscribe = asking(scope, field.subscribe as Resolve);
    }
  }
}

function asking(
  scope: Scope,
  resolve: Resolve = defaultFieldResolver,
): GraphQLFieldResolver<unknown, unknown> {
  return (source, args, context, info) => {
    const { viewer } = context as GraphQLContext;
    if (!viewer.scopes.has(scope)) throw lacking(scope, viewer.scopes);
    return resolve(source, args as Record<string, unknown>, context as GraphQLContext, info);
  };
}

function lacking(needed: Scope, given: ReadonlySet<Scope>): DomainError {
  const has = given.size > 0 ? `has ${[...given].join(' and ')} only` : 'has none';
  return new DomainError('FORBIDDEN', `This needs the scope ${needed}; your token or key ${has}.`, {
    details: { needed, given: [...given] },
  });
}
