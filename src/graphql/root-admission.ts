import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { Extensions } from 'type-graphql';
import type { Viewer } from '../core/viewer';
import type { GraphQLContext, LoaderCache } from './context';

/** Exempts a query or mutation from admission, so that it also works during an erasure. */
export const WithoutAdmission = (): MethodDecorator & PropertyDecorator =>
  Extensions({ needsAdmission: false });

/** Returns the admitted viewer. Throws a DomainError if the viewer is currently not admitted. */
export type Admit = (context: GraphQLContext) => Promise<Viewer>;

/**
 * Makes every root field require admission, checked once per operation. Enforced in the schema so that it applies to
 * every transport and every new field. Subscriptions are checked when they start; their own events end them.
 */
export function requireAdmission(schema: GraphQLSchema, admit: Admit): void {
  const admissions = new WeakMap<LoaderCache, Promise<Viewer>>();
  const admitOnce: Admit = (context) => {
    const known = admissions.get(context.loaders);
    if (known) return known;
    const admission = admit(context);
    admissions.set(context.loaders, admission);
    return admission;
  };
  for (const field of [...fieldsOf(schema.getQueryType()), ...fieldsOf(schema.getMutationType())]) {
    const { needsAdmission = true } = field.extensions as { needsAdmission?: boolean };
    if (needsAdmission) field.resolve = withAdmission(admitOnce, field.resolve);
  }
  for (const field of fieldsOf(schema.getSubscriptionType())) {
    if (field.subscribe) field.subscribe = withAdmission(admitOnce, field.subscribe);
  }
}

function fieldsOf(type: GraphQLObjectType | null | undefined): GraphQLField<unknown, unknown>[] {
  return Object.values(type?.getFields() ?? {});
}

type Resolve = GraphQLFieldResolver<unknown, unknown>;

function withAdmission(admit: Admit, resolve: Resolve = defaultFieldResolver): Resolve {
  return async (source, args, context, info) => {
    const operation = context as GraphQLContext;
    operation.viewer = await admit(operation);
    return resolve(source, args, context, info);
  };
}
