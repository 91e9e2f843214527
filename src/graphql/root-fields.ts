import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { Extensions } from 'type-graphql';
import { DomainError, forbidden } from '../core/errors';
import type { Scope, Viewer } from '../core/viewer';
import { checkTokenFields, hideOtherIds, type ClientTokenRules } from './client-token-access';
import type { GraphQLContext, LoaderCache, PayloadReader } from './context';
import { canWait, checkAfter, type WaitArgs } from './waits';

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
 * {@link ForOperators} and {@link ForReaders} for others), the permission of a client token and then admission, which is
 * checked once per operation. Subscriptions are checked when they start; their own events end them.
 *
 * All are enforced only here. In the schema, the checks apply to every transport, batch and persisted query and to
 * every new root field. They also wrap `subscribe`, which type-graphql's middlewares do not, so that a subscription is
 * refused before it reads data. Nested fields are reachable only through a root field and need no check.
 */
export function protectRootFields(
  schema: GraphQLSchema,
  admit: Admit,
  tokens: ClientTokenRules | null = null,
): void {
  const gates: Gates = { admit: oncePerOperation(admit), tokens, uses: new WeakMap() };
  const roots = [
    { type: schema.getQueryType(), defaultScope: 'read' },
    { type: schema.getMutationType(), defaultScope: 'write' },
    { type: schema.getSubscriptionType(), defaultScope: 'read' },
  ] as const;
  for (const { type, defaultScope } of roots) {
    for (const field of Object.values(type?.getFields() ?? {})) protect(field, defaultScope, gates);
  }
}

/** What root fields are protected by. */
interface Gates {
  readonly admit: Admit;
  /** Null: client tokens are refused. */
  readonly tokens: ClientTokenRules | null;
  /** The count of the use of a client token, by the context of the operation. */
  readonly uses: WeakMap<GraphQLContext, Promise<void>>;
}

function protect(field: GraphQLField<unknown, unknown>, defaultScope: Scope, gates: Gates): void {
  const { scope = defaultScope, needsAdmission = true } = field.extensions as {
    scope?: Scope;
    needsAdmission?: boolean;
  };
  const { subscribe, resolve: resolveField = defaultFieldResolver } = field;
  const isMutation = defaultScope === 'write';
  const wrap = canWait(field) ? withWait : isMutation ? withPayload : (same: Resolve): Resolve => same;
  const resolve = wrap(resolveField);
  // A subscription was admitted by `subscribe`; `resolve` is called for each event.
  const begin = (start: Resolve): Resolve => {
    const counted = withClientToken(field, gates, start);
    return withTokenFields(needsAdmission ? withAdmission(gates.admit, counted) : counted);
  };
  field.resolve = withScope(scope, subscribe ? resolve : begin(resolve));
  if (subscribe) field.subscribe = withScope(scope, begin(subscribe));
}

/** Refuses what the client token of the viewer does not permit, before anything is read. */
function withTokenFields(resolve: Resolve): Resolve {
  return (source, args, context, info) => {
    checkTokenFields((context as GraphQLContext).viewer, info);
    return resolve(source, args, context, info);
  };
}

/** Counts the operation of a client token, and hides what the token does not include. */
function withClientToken(
  field: GraphQLField<unknown, unknown>,
  { tokens, uses }: Gates,
  resolve: Resolve,
): Resolve {
  const begin = async (operation: GraphQLContext, args: Record<string, unknown>): Promise<typeof args> => {
    if (!tokens) throw forbidden('Client tokens are not accepted here.');
    const { viewer } = operation;
    // Not by the loaders, which the operations of a batch share.
    const use = uses.get(operation) ?? operation.waitUse?.take() ?? tokens.countUse(viewer);
    uses.set(operation, use);
    await use;
    const { restriction } = viewer.clientToken!;
    return restriction ? hideOtherIds(tokens, restriction, field, args) : args;
  };
  return (source, args, context, info) => {
    const operation = context as GraphQLContext;
    if (!operation.viewer.clientToken) return resolve(source, args, context, info);
    return begin(operation, args as Record<string, unknown>).then((visible) =>
      resolve(source, visible, context, info),
    );
  };
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

/** The operation has waited before; see {@link WaitArgs}. The cursor of a field that has not waited is checked here. */
function withWait(resolve: Resolve): Resolve {
  return (source, args, context, info) => {
    const { waitFailure } = context as GraphQLContext;
    checkAfter(args as WaitArgs);
    if (waitFailure !== undefined && (args as WaitArgs).waitMs !== 0) throw waitFailure;
    return resolve(source, args, context, info);
  };
}

/** If the payload was read, its fields are not resolved: null takes its place in the result, which is not sent. */
function withPayload(resolve: Resolve): Resolve {
  const read = async (reader: PayloadReader, returned: unknown): Promise<unknown> => {
    const payload = await returned;
    return (await reader.read(payload)) ? null : payload;
  };
  return (source, args, context, info) => {
    const { payload } = context as GraphQLContext;
    const returned = resolve(source, args, context, info);
    return payload ? read(payload, returned) : returned;
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
