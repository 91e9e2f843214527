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
  type GraphQLObjectType,
} from 'graphql';
import { collectFields } from 'graphql/execution/collectFields';
import { ArgsType, Field, Int } from 'type-graphql';
import { DomainError } from '../core/errors';
import { notOfThisJob, readEventCursor } from '../core/event-cursor';
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
      'The `cursor` you have seen. If the job has changed since, the answer comes at once. Null: the next change after the request ends the wait. If `waitMs` is 0 it only must be readable: otherwise INVALID_CURSOR.',
  })
  after?: string | null;
}

/** A wait that an operation asks for, or a cursor without one. */
export interface WaitRequest {
  /** The object that is waited for; null if the given id is not one of the type that the field returns. */
  readonly target: { readonly kind: NodeKind; readonly id: string } | null;
  /** In milliseconds; see {@link checkWait}. 0: no wait, but {@link WaitRequest.after} is given. */
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

/**
 * Checks that the cursor can be read, without a wait too; whether it is one of the job, only a wait checks.
 * @throws DomainError INVALID_CURSOR, field `after`
 */
export function checkAfter({ after }: Pick<WaitArgs, 'after'>): void {
  if (!isReadable(after)) throw notOfThisJob();
}

/** Whether a cursor can be read; true if none is given. */
export function isReadable(after: string | null | undefined): boolean {
  return after == null || readEventCursor(after) !== null;
}

/** Whether a field has the arguments of {@link WaitArgs}. */
export function canWait({ args }: Pick<GraphQLField<unknown, unknown>, 'args'>): boolean {
  return args.some(({ name }) => name === 'waitMs');
}

/** Whether a document may ask for a wait. Documents are kept for the next request with the same text. */
const waitingDocuments = new WeakMap<DocumentNode, boolean>();

/** The waits that a valid operation asks for, and cursors without one. Those with invalid variables or arguments are left to the executor. */
export function waitsIn({ schema, document, operationName, variableValues }: ExecutionArgs): WaitRequest[] {
  const query = schema.getQueryType()!;
  if (!mayWait(document, query)) return [];
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.QUERY) return [];
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  if (!coerced) return [];
  const selected = collectFields(schema, fragmentsOf(document), coerced, query, operation.selectionSet);
  return [...selected.values()].flatMap(([node]) => {
    const definition = query.getFields()[node!.name.value];
    return definition && canWait(definition) ? waitOf(definition, node!, coerced) : [];
  });
}

function mayWait(document: DocumentNode, query: GraphQLObjectType): boolean {
  const known = waitingDocuments.get(document);
  if (known !== undefined) return known;
  const fields = query.getFields();
  let isFound = false;
  visit(document, {
    Field: ({ name, arguments: given = [] }) => {
      const has = (argument: string): boolean => given.some((each) => each.name.value === argument);
      const field = fields[name.value];
      isFound ||= (has('waitMs') || has('after')) && field !== undefined && canWait(field);
    },
  });
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
    if (given.waitMs === 0 && given.after == null) return [];
    const read = readGlobalId(given.id);
    const target = read?.kind === getNamedType(definition.type).name ? read : null;
    return [{ target, waitMs: given.waitMs, after: given.after ?? null }];
  } catch (error) {
    if (error instanceof GraphQLError) return [];
    throw error;
  }
}
