import {
  getOperationAST,
  getVariableValues,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type ValidationRule,
} from 'graphql';
import { maxProblems } from '../../core/input-problems';
import { coercionProblemOf } from '../../graphql/coercion-problems';
import { readOperation, type OperationRequest } from './graphql-request';
import { PersistedQueries } from './persisted-queries';
import { checkLimits, findLongName, queryLimits, tooComplex } from './query-complexity';
import { ValidDocuments } from './valid-documents';

/** A validated operation. */
export interface PreparedOperation {
  readonly kind: OperationTypeNode;
  readonly args: ExecutionArgs & { readonly document: DocumentNode };
}

/** A validated operation, or the errors that refuse it. */
export type Prepared = PreparedOperation | readonly GraphQLError[];

/** Whether an operation is valid. */
export function isPrepared(prepared: Prepared): prepared is PreparedOperation {
  return 'args' in prepared;
}

/** Whether an operation is a valid mutation. */
export function isMutation(prepared: Prepared): boolean {
  return isPrepared(prepared) && prepared.kind === OperationTypeNode.MUTATION;
}

export interface PreparationOptions {
  readonly schema: GraphQLSchema;
  /** Whether introspection is allowed. If not, suggestions are also removed from errors. */
  readonly introspection: boolean;
  /** Called once for each deprecated element of the schema that an operation uses. */
  readonly onDeprecatedUse?: (element: string) => void;
  /** Called with the document of a query in the operator's list. @defaultValue none */
  readonly onListed?: (document: DocumentNode) => void;
  /** @defaultValue automatic persisted queries, up to 10 MB */
  readonly persisted?: PersistedQueries;
}

/** Limits passed to graphql-js. */
const graphqlLimits = {
  parse: { maxTokens: queryLimits.tokens },
  validate: { maxErrors: maxProblems },
  execute: { maxCoercionErrors: maxProblems },
} as const;

/** Parses and validates operations, and keeps valid documents. */
export class PreparedDocuments {
  private readonly schema: GraphQLSchema;
  private readonly rules: readonly ValidationRule[];
  private readonly persisted: PersistedQueries;
  private readonly documents: ValidDocuments;
  private readonly onDeprecatedUse: ((element: string) => void) | undefined;
  private readonly onListed: ((document: DocumentNode) => void) | undefined;

  constructor(options: PreparationOptions) {
    this.schema = options.schema;
    this.documents = new ValidDocuments(options.schema);
    this.onDeprecatedUse = options.onDeprecatedUse;
    this.onListed = options.onListed;
    this.rules = [...specifiedRules, ...(options.introspection ? [] : [NoSchemaIntrospectionCustomRule])];
    this.persisted = options.persisted ?? new PersistedQueries({ maxBytes: 10_000_000 });
  }

  /**
   * Reads the operation, resolves persisted queries, parses, applies the limits and validates.
   * @param given - the operation as sent by the client, unchecked
   */
  prepare(given: unknown): Prepared {
    try {
      const request = readOperation(given);
      const query = this.persisted.queryOf(request);
      const prepared = this.validate(query, request);
      if (!isPrepared(prepared)) return prepared;
      if (this.persisted.isListed(query)) this.onListed?.(prepared.args.document);
      if (request.hash !== null) this.persisted.register(request.hash, query);
      return prepared;
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      return [wrapped(error)];
    }
  }

  private validate(query: string, request: OperationRequest): Prepared {
    const variables = request.variables ?? {};
    const known = this.documents.find(query, variables);
    const operation = known && getOperationAST(known, request.operationName);
    if (operation) return this.prepared(query, known, operation, request);
    const document = parsed(query);
    const excess = checkLimits(this.schema, document, variables);
    if (excess) return [excess];
    const refused = this.refusalOf(document, request);
    if (refused) return refused;
    this.documents.add(query, document, variables);
    const selected = getOperationAST(document, request.operationName);
    return selected
      ? this.prepared(query, document, selected, request)
      : [unknownOperation(request.operationName)];
  }

  /** The errors of validation; null for a valid document. */
  private refusalOf(
    document: DocumentNode,
    { operationName, variables }: OperationRequest,
  ): readonly GraphQLError[] | null {
    const problems = validate(this.schema, document, this.rules, graphqlLimits.validate);
    if (problems.length === 0) return null;
    const refused = problems.map((problem) => withCode(problem, 'GRAPHQL_VALIDATION_FAILED'));
    const operation = getOperationAST(document, operationName);
    // If only literals are wrong, the variables are checked too, so that one answer names all invalid values.
    const isChecked = problems.every((problem) => coercionProblemOf(problem) !== null);
    return isChecked && operation ? [...refused, ...this.variableErrors(operation, variables)] : refused;
  }

  private prepared(
    query: string,
    document: DocumentNode,
    { operation: kind }: OperationDefinitionNode,
    { operationName, variables }: Pick<OperationRequest, 'operationName' | 'variables'>,
  ): PreparedOperation {
    const { schema, documents, onDeprecatedUse } = this;
    if (onDeprecatedUse)
      documents.deprecatedUses(query, document, variables ?? {}).forEach((use) => onDeprecatedUse(use));
    const { execute: options } = graphqlLimits;
    return { kind, args: { schema, document, operationName, variableValues: variables, options } };
  }

  private variableErrors(
    { variableDefinitions = [] }: OperationDefinitionNode,
    variables: OperationRequest['variables'],
  ): readonly GraphQLError[] {
    const { errors } = getVariableValues(this.schema, variableDefinitions, variables ?? {}, {
      maxErrors: maxProblems,
    });
    return errors ?? [];
  }
}

/** @throws GraphQLError if the query has a syntax error or exceeds a limit */
function parsed(query: string): DocumentNode {
  let document: DocumentNode;
  try {
    document = parse(query, graphqlLimits.parse);
  } catch (error) {
    // The nesting exceeds the parser's call stack.
    if (error instanceof RangeError) throw tooComplex('depth');
    if (!(error instanceof GraphQLError)) throw error;
    // graphql-js has no code for this error, so its message is matched.
    if (error.message.includes(`${queryLimits.tokens} tokens`)) throw tooComplex('tokens');
    throw withCode(error, 'GRAPHQL_PARSE_FAILED');
  }
  const tooLong = findLongName(document);
  if (tooLong) throw tooLong;
  return document;
}

function unknownOperation(name: string | null | undefined): GraphQLError {
  const message =
    name == null
      ? 'The query has several operations. Select one with operationName.'
      : 'The query has no operation with this operationName.';
  return new GraphQLError(message, { extensions: { code: 'OPERATION_RESOLUTION_FAILURE' } });
}

function withCode(error: GraphQLError, code: string): GraphQLError {
  error.extensions.code ??= code;
  return error;
}

/** An error of graphql-js with the given one as its original. */
export function wrapped(error: unknown): GraphQLError {
  const originalError = error instanceof Error ? error : new Error('Non-Error value thrown.');
  return new GraphQLError(originalError.message, { originalError });
}
