import {
  getArgumentValues,
  getNamedType,
  getOperationAST,
  getVariableValues,
  GraphQLError,
  OperationTypeNode,
  visit,
  type DocumentNode,
  type ExecutionArgs,
  type FieldNode,
  type GraphQLField,
} from 'graphql';
import { collectFields } from 'graphql/execution/collectFields';
import { ArgsType, Field, Int } from 'type-graphql';
import { DomainError } from '../core/errors';
import { readGlobalId, type NodeKind } from '../core/ids';
import { fragmentsOf } from './document-parts';

/** The maximum duration of a wait, in milliseconds. Proxies commonly end requests without an answer after 60 s. */
const maxWaitMs = 30_000;

/**
 * The arguments of a query that can wait for a change of its object. The operation waits before it is executed, so that
 * all of its fields have the state after the wait: the resolver of the query ignores these arguments.
 */
@ArgsType()
export class WaitArgs {
  @Field(() => Int, {
    defaultValue: 0,
    description:
      'How long to wait, in milliseconds: 0 to 30,000. At most one wait in a request. The answer comes at once if the job has ended. Estimated progress alone is no change.',
  })
  waitMs: number;

  @Field(() => String, {
    nullable: true,
    description:
      'The `cursor` you have seen. If the job has changed since, the answer comes at once. Null: the next change after the request ends the wait. Without effect if `waitMs` is 0.',
  })
  after?: string | null;
}

/** A wait that an operation asks for. */
export interface WaitRequest {
  /** The object that is waited for; null if the given id is not one of the type that the field returns. */
  readonly target: { readonly kind: NodeKind; readonly id: string } | null;
  /** In milliseconds; see {@link checkWait}. */
  readonly waitMs: number;
  readonly after: string | null;
}

/** @throws DomainError INVALID_INPUT, field `waitMs` */
export function checkWait({ waitMs }: WaitRequest): void {
  if (waitMs >= 0 && waitMs <= maxWaitMs) return;
  throw new DomainError(
    'INVALID_INPUT',
    `A wait takes 0 to ${maxWaitMs} milliseconds; ${waitMs} were given.`,
    {
      field: 'waitMs',
      details: { given: waitMs, minimum: 0, maximum: maxWaitMs },
    },
  );
}

/** Whether a field has the arguments of {@link WaitArgs}. */
export function canWait({ args }: Pick<GraphQLField<unknown, unknown>, 'args'>): boolean {
  return args.some(({ name }) => name === 'waitMs');
}

/** Whether a document has an argument `waitMs`. Documents are kept for the next request with the same text. */
const waitingDocuments = new WeakMap<DocumentNode, boolean>();

/** The waits that a valid operation asks for. Those with invalid variables or arguments are left to the executor. */
export function waitsIn({ schema, document, operationName, variableValues }: ExecutionArgs): WaitRequest[] {
  if (!mayWait(document)) return [];
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.QUERY) return [];
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  if (!coerced) return [];
  const query = schema.getQueryType()!;
  const selected = collectFields(schema, fragmentsOf(document), coerced, query, operation.selectionSet);
  return [...selected.values()].flatMap(([node]) => {
    const definition = query.getFields()[node!.name.value];
    return definition && canWait(definition) ? waitOf(definition, node!, coerced) : [];
  });
}

function mayWait(document: DocumentNode): boolean {
  const known = waitingDocuments.get(document);
  if (known !== undefined) return known;
  let isFound = false;
  visit(document, { Argument: ({ name }) => void (isFound ||= name.value === 'waitMs') });
  waitingDocuments.set(document, isFound);
  return isFound;
}

function waitOf(
  definition: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: Readonly<Record<string, unknown>>,
): WaitRequest[] {
  try {
    const given = getArgumentValues(definition, node, variables) as unknown as WaitArgs & { id: string };
    if (given.waitMs === 0) return [];
    const read = readGlobalId(given.id);
    const target = read?.kind === getNamedType(definition.type).name ? read : null;
    return [{ target, waitMs: given.waitMs, after: given.after ?? null }];
  } catch (error) {
    if (error instanceof GraphQLError) return [];
    throw error;
  }
}
