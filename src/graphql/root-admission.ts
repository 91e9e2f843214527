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

/** Marks a query or mutation as one that everybody may ask, also those who are not admitted to anything else now. */
export const ForEverybody = (): MethodDecorator & PropertyDecorator => Extensions({ needsAdmission: false });

/** Gives the viewer as it was admitted; throws a DomainError if it may ask for nothing at the moment. */
export type Admit = (context: GraphQLContext) => Promise<Viewer>;

/**
 * Makes every root field ask for admission before it does anything, once an operation. In the schema for the same
 * reasons as the scopes: no door can go around it, and no field that is added tomorrow. Of subscriptions it is the
 * opening that asks; what was opened ends by its own events.
 */
export function requireAdmission(schema: GraphQLSchema, admit: Admit): void {
  const asked = new WeakMap<LoaderCache, Promise<Viewer>>();
  const admitOnce: Admit = (context) => {
    const known = asked.get(context.loaders);
    if (known) return known;
    const admission = admit(context);
    asked.set(context.loaders, admission);
    return admission;
  };
  for (const field of [...fieldsOf(schema.getQueryType()), ...fieldsOf(schema.getMutationType())]) {
    const { needsAdmission = true } = field.extensions as { needsAdmission?: boolean };
    if (needsAdmission) field.resolve = admitting(admitOnce, field.resolve);
  }
  for (const field of fieldsOf(schema.getSubscriptionType())) {
    if (field.subscribe) field.subscribe = admitting(admitOnce, field.subscribe);
  }
}

function fieldsOf(type: GraphQLObjectType | null | undefined): GraphQLField<unknown, unknown>[] {
  return Object.values(type?.getFields() ?? {});
}

type Resolve = GraphQLFieldResolver<unknown, unknown>;

function admitting(admit: Admit, resolve: Resolve = defaultFieldResolver): Resolve {
  return async (source, args, context, info) => {
    const operation = context as GraphQLContext;
    operation.viewer = await admit(operation);
    return resolve(source, args, context, info);
  };
}
