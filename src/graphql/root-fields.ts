import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { Extensions } from 'type-graphql';
import { DomainError } from '../core/errors';
import type { Scope, Viewer } from '../core/viewer';
import type { GraphQLContext, LoaderCache } from './context';
import { canWait, type WaitArgs } from './waits';

/** Exempts a query or mutation from admission, so that it also works during an erasure. */
export const WithoutAdmission = (): MethodDecorator & PropertyDecorator =>
  Extensions({ needsAdmission: false });

/** Restricts a query or mutation to operators: it requires the scope `admin` instead of the default scope. */
export const ForOperators = (): MethodDecorator & PropertyDecorator => Extensions({ scope: 'admin' });

/** Lets callers use a mutation that changes no data of theirs with the scope `read`. */
export const ForReaders = (): MethodDecorator & PropertyDecorator => Extensions({ scope: 'read' });

/**
 * Returns the admitted viewer, before the root fields of the operation are resolved. Throws a DomainError if the viewer is
 * currently not admitted.
 */
export type Admit = (context: GraphQLContext, info: GraphQLResolveInfo) => Promise<Viewer>;

type Resolve = GraphQLFieldResolver<unknown, unknown>;

/**
 * Makes every root field require its scope (`read` for queries and subscriptions, `write` for mutations, that of
 * {@link ForOperators} and {@link ForReaders} for others) and then admission, which is checked once per operation. Subscriptions are checked
 * when they start; their own events end them.
 *
 * Both are enforced only here. In the schema, the checks apply to every transport, batch and persisted query and to
 * every new root field. They also wrap `subscribe`, which type-graphql's middlewares do not, so that a subscription is
 * refused before it reads data. Nested fields are reachable only through a root field and need no check.
 */
export function protectRootFields(schema: GraphQLSchema, admit: Admit): void {
  const admitOnce = oncePerOperation(admit);
  const roots = [
    { type: schema.getQueryType(), defaultScope: 'read' },
    { type: schema.getMutationType(), defaultScope: 'write' },
    { type: schema.getSubscriptionType(), defaultScope: 'read' },
  ] as const;
  for (const { type, defaultScope } of roots) {
    for (const field of Object.values(type?.getFields() ?? {})) protect(field, defaultScope, admitOnce);
  }
}

function protect(field: GraphQLField<unknown, unknown>, defaultScope: Scope, admit: Admit): void {
  const { scope = defaultScope, needsAdmission = true } = field.extensions as {
    scope?: Scope;
    needsAdmission?: boolean;
  };
  const { subscribe, resolve: resolveField = defaultFieldResolver } = field;
  const resolve = canWait(field) ? withWait(resolveField) : resolveField;
  // A subscription was admitted by `subscribe`; `resolve` is called for each event.
  const isAdmitted = subscribe !== undefined || !needsAdmission;
  field.resolve = withScope(scope, isAdmitted ? resolve : withAdmission(admit, resolve));
  if (subscribe) field.subscribe = withScope(scope, withAdmission(admit, subscribe));
}

function withScope(scope: Scope, resolve: Resolve): Resolve {
  return (source, args, context, info) => {
    const { viewer } = context as GraphQLContext;
    if (!viewer.scopes.has(scope)) throw missingScope(scope, viewer.scopes);
    return resolve(source, args, context, info);
  };
}

function withAdmission(admit: Admit, resolve: Resolve): Resolve {
  return async (source, args, context, info) => {
    const operation = context as GraphQLContext;
    if (operation.unavailable) throw operation.unavailable;
    operation.viewer = await admit(operation, info);
    return resolve(source, args, context, info);
  };
}

/** The operation has waited before; see {@link WaitArgs}. */
function withWait(resolve: Resolve): Resolve {
  return (source, args, context, info) => {
    const { waitFailure } = context as GraphQLContext;
    if (waitFailure !== undefined && (args as WaitArgs).waitMs !== 0) throw waitFailure;
    return resolve(source, args, context, info);
  };
}

function oncePerOperation(admit: Admit): Admit {
  const admissions = new WeakMap<LoaderCache, Promise<Viewer>>();
  return (context, info) => {
    const admission = admissions.get(context.loaders) ?? admit(context, info);
    admissions.set(context.loaders, admission);
    return admission;
  };
}

function missingScope(needed: Scope, given: ReadonlySet<Scope>): DomainError {
  const has = given.size > 0 ? `has only ${[...given].join(' and ')}` : 'has no scope';
  return new DomainError('FORBIDDEN', `This needs the scope ${needed}; your token or key ${has}.`, {
    details: { needed, given: [...given] },
  });
}
