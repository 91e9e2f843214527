import {
  createSourceEventStream,
  execute,
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
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type ValidationRule,
} from 'graphql';
import { withinMs } from '../../core/clock';
import { DomainError, isServiceUnavailable } from '../../core/errors';
import { maxProblems } from '../../core/input-problems';
import { mapIterator } from '../../core/iterators';
import type { Logger } from '../../core/logger';
import { coercionProblemOf } from '../../graphql/coercion-problems';
import { renewContext, type GraphQLContext } from '../../graphql/context';
import { formatErrors } from '../../graphql/errors';
import type { PlannedReads } from '../../reads/planned-reads';
import { readOperation, type OperationRequest } from './graphql-request';
import { PersistedQueries } from './persisted-queries';
import { checkLimits, findLongName, paidCalls, queryLimits, tooComplex } from './query-complexity';
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

export interface OperationsOptions {
  readonly schema: GraphQLSchema;
  /** Whether introspection is allowed. If not, suggestions are also removed from errors. */
  readonly introspection: boolean;
  readonly logger: Logger;
  /**
   * Time limit of an operation or of the response to one event.
   * @defaultValue 10_000 milliseconds
   */
  readonly deadlineMs?: number;
  /** Called once for each deprecated element of the schema that an operation uses. */
  readonly onDeprecatedUse?: (element: string) => void;
  /** @defaultValue none: the resolvers answer all queries */
  readonly reads?: Pick<PlannedReads, 'read'>;
  /** @defaultValue automatic persisted queries, up to 10 MB */
  readonly persisted?: PersistedQueries;
}

/** A result without errors, as the text of its response. */
export class ResponseText implements ExecutionResult {
  readonly errors = undefined;

  constructor(readonly text: string) {}

  /** For a message that contains the response. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/** Limits passed to graphql-js. */
const graphqlLimits = {
  parse: { maxTokens: queryLimits.tokens },
  validate: { maxErrors: maxProblems },
  execute: { maxCoercionErrors: maxProblems },
} as const;

/**
 * Parses, validates, executes and formats operations. Shared by all transports, so that the same checks apply.
 */
export class Operations {
  readonly schema: GraphQLSchema;
  readonly deadlineMs: number;
  private readonly hideSuggestions: boolean;
  private readonly logger: Logger;
  private readonly rules: readonly ValidationRule[];
  private readonly persisted: PersistedQueries;
  private readonly documents: ValidDocuments;
  private readonly reads: Pick<PlannedReads, 'read'> | undefined;
  private readonly onDeprecatedUse: ((element: string) => void) | undefined;

  constructor(options: OperationsOptions) {
    this.schema = options.schema;
    this.documents = new ValidDocuments(options.schema);
    this.onDeprecatedUse = options.onDeprecatedUse;
    this.rules = [...specifiedRules, ...(options.introspection ? [] : [NoSchemaIntrospectionCustomRule])];
    this.hideSuggestions = !options.introspection;
    this.deadlineMs = options.deadlineMs ?? 10_000;
    this.logger = options.logger;
    this.reads = options.reads;
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
      if (isPrepared(prepared) && request.hash !== null) this.persisted.register(request.hash, query);
      return prepared;
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      return [wrapped(error)];
    }
  }

  /**
   * Checks the rules of HTTP requests: no subscriptions, which have their own transports, and at most one paid call per
   * request, including batches.
   * @returns the error, or null
   */
  findForbidden(all: readonly Prepared[]): GraphQLError | null {
    const operations = all.filter(isPrepared);
    if (operations.some(({ kind }) => kind === OperationTypeNode.SUBSCRIPTION)) {
      const message = 'Subscriptions require WebSocket, or server-sent events at /graphql/stream.';
      return wrapped(new DomainError('INVALID_INPUT', message));
    }
    const mutations = operations.filter(({ kind }) => kind === OperationTypeNode.MUTATION);
    const paid = mutations.reduce((sum, { args }) => sum + paidCalls(this.schema, args.document), 0);
    return paid > queryLimits.paid ? tooComplex('paid', paid) : null;
  }

  /** Executes a query, a mutation, or a subscription's response to one event, by resolvers. Never rejects. */
  private async execute(args: ExecutionArgs): Promise<ExecutionResult> {
    try {
      return await this.inTime(Promise.resolve(execute(args)));
    } catch (error) {
      return { errors: [wrapped(error)] };
    }
  }

  /**
   * Responds to a query or a mutation. Never rejects.
   * @returns a {@link ResponseText} if a planned read answered it
   */
  async respond(args: ExecutionArgs, context: GraphQLContext): Promise<ExecutionResult> {
    try {
      const text = this.reads && (await this.inTime(this.reads.read(args, context.viewer)));
      if (text != null) return new ResponseText(text);
    } catch (error) {
      if (!isServiceUnavailable(error)) return { errors: [wrapped(error)] };
      // The resolvers make the response, without waiting for the database a second time.
      context.unavailable = error as Error;
    }
    return this.execute({ ...args, contextValue: context });
  }

  /** Starts a subscription. Each event is resolved with a new context, so that cached data are not stale. */
  async subscribe(
    args: ExecutionArgs,
    context: GraphQLContext,
  ): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
    const opening = createSourceEventStream({ ...args, contextValue: context });
    let source: AsyncIterable<unknown> | ExecutionResult;
    try {
      source = await this.inTime(opening);
    } catch (error) {
      void opening.then(close, () => undefined);
      return { errors: [wrapped(error)] };
    }
    if (!isAsyncIterable(source)) return source;
    return mapIterator(source, (rootValue) =>
      this.execute({ ...args, rootValue, contextValue: renewContext(context) }),
    );
  }

  /** Formats a result for the client. */
  format(result: ExecutionResult, requestId: string): FormattedExecutionResult {
    if (result instanceof ResponseText) return result;
    const { errors, ...rest } = result;
    return errors ? { errors: this.formatErrors(errors, requestId), ...rest } : rest;
  }

  /** Formats errors for the client; internal errors are masked and logged with the request's id. */
  formatErrors(
    errors: readonly unknown[],
    requestId: string,
  ): NonNullable<FormattedExecutionResult['errors']> {
    const { logger, hideSuggestions } = this;
    return formatErrors(errors, { requestId, logger, hideSuggestions });
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

  /** Waits for `work` up to the time limit of an operation. */
  inTime<Result>(work: Promise<Result>): Promise<Result> {
    const seconds = this.deadlineMs / 1_000;
    return withinMs(
      this.deadlineMs,
      work,
      () =>
        new DomainError(
          'TIMEOUT',
          `The operation took longer than ${seconds} s. A mutation may still complete; check its result before retrying.`,
        ),
    );
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

function wrapped(error: unknown): GraphQLError {
  const originalError = error instanceof Error ? error : new Error('Non-Error value thrown.');
  return new GraphQLError(originalError.message, { originalError });
}

function isAsyncIterable(value: AsyncIterable<unknown> | ExecutionResult): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value;
}

async function close(source: AsyncIterable<unknown> | ExecutionResult): Promise<void> {
  if (isAsyncIterable(source)) await source[Symbol.asyncIterator]().return?.();
}
