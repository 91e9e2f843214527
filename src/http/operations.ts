import {
  createSourceEventStream,
  execute,
  getOperationAST,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLSchema,
  OperationTypeNode,
  type ValidationRule,
} from 'graphql';
import { withinMs } from '../core/clock';
import { DomainError } from '../core/errors';
import type { Logger } from '../core/logger';
import type { GraphQLContext } from '../graphql/context';
import { formatError } from '../graphql/errors';
import { renewContext } from './context';
import { findExcess, paidCalls, queryLimits, tooComplex } from './limits';
import type { PersistedQueries } from './persisted-queries';

/** An operation as a client sends it, by whichever door. */
export interface OperationRequest {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>> | null;
}

/** An operation that was read and found good. */
export interface PreparedOperation {
  readonly kind: OperationTypeNode;
  readonly args: ExecutionArgs & { readonly document: DocumentNode };
}

/** What {@link Operations} needs. */
export interface OperationsOptions {
  readonly schema: GraphQLSchema;
  /** Whether the schema may be asked for. Without it, suggestions in errors are left out too. */
  readonly introspection: boolean;
  readonly logger: Logger;
  /** How long an operation, or the answer to one event, may take. \@defaultValue 10_000 milliseconds */
  readonly deadlineMs?: number;
  /** \@defaultValue none: every query is sent whole */
  readonly persisted?: PersistedQueries;
}

/** How graphql-js is to be bounded, wherever it runs. */
export const graphqlBounds = {
  parse: { maxTokens: queryLimits.tokens },
  validate: { maxErrors: 10 },
  execute: { maxCoercionErrors: 10 },
} as const;

/**
 * Reads, checks, runs and answers operations: what all doors have in common, so that none is weaker than another.
 */
export class Operations {
  readonly schema: GraphQLSchema;
  readonly rules: readonly ValidationRule[];
  readonly deadlineMs: number;
  private readonly hideSuggestions: boolean;
  private readonly logger: Logger;
  private readonly persisted: PersistedQueries | undefined;

  constructor(options: OperationsOptions) {
    this.schema = options.schema;
    this.rules = options.introspection ? [] : [NoSchemaIntrospectionCustomRule];
    this.hideSuggestions = !options.introspection;
    this.deadlineMs = options.deadlineMs ?? 10_000;
    this.logger = options.logger;
    this.persisted = options.persisted;
  }

  /**
   * The request with the query that it names, where it names one of those that the operator has listed.
   * @throws DomainError if there is none, or where only the listed ones are allowed and this is another
   */
  complete<Request>(request: Request): Request {
    return this.persisted ? this.persisted.complete(request) : request;
  }

  /**
   * Weighs what one HTTP request brings, before Apollo sees it. A batch makes one paid call at most, as one operation
   * does. Subscriptions are refused: they have doors of their own.
   * @returns what is wrong, or null
   */
  weigh(requests: readonly OperationRequest[]): GraphQLError | null {
    let paid = 0;
    for (const request of requests) {
      const document = this.read(request);
      if (document instanceof GraphQLError) return document;
      if (getOperationAST(document, request.operationName)?.operation === OperationTypeNode.SUBSCRIPTION) {
        return wrapped(subscriptionElsewhere());
      }
      paid += paidCalls(this.schema, document);
    }
    return paid > queryLimits.paid ? tooComplex('paid', paid) : null;
  }

  /** Parses and weighs, without validation. Each refusal is quick, whatever the query. */
  read(request: OperationRequest): DocumentNode | GraphQLError {
    const document = parsed(request.query);
    if (document instanceof GraphQLError) return document;
    return findExcess(this.schema, document, request.variables ?? {}) ?? document;
  }

  /** Parses, weighs and validates. */
  prepare(given: OperationRequest): PreparedOperation | readonly GraphQLError[] {
    let request: OperationRequest;
    try {
      request = this.complete(given);
    } catch (error) {
      return [wrapped(error)];
    }
    const document = this.read(request);
    if (document instanceof GraphQLError) return [document];
    const rules = [...specifiedRules, ...this.rules];
    const problems = validate(this.schema, document, rules, graphqlBounds.validate);
    if (problems.length > 0) return problems.map((problem) => withCode(problem, 'GRAPHQL_VALIDATION_FAILED'));
    const operation = getOperationAST(document, request.operationName);
    if (!operation) return [unknownOperation(request.operationName)];
    const { schema } = this;
    const args = {
      schema,
      document,
      operationName: request.operationName,
      variableValues: request.variables,
      options: graphqlBounds.execute,
    };
    return { kind: operation.operation, args };
  }

  /** Runs a query, a mutation, or the answer to one event of a subscription. Never rejects. */
  async execute(args: ExecutionArgs): Promise<ExecutionResult> {
    try {
      return await this.inTime(Promise.resolve(execute(args)));
    } catch (error) {
      return { errors: [wrapped(error)] };
    }
  }

  /** Starts a subscription. What it gives has a fresh context for each event, so that nothing read is stale. */
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
    return mapped(source, (rootValue) =>
      this.execute({ ...args, rootValue, contextValue: renewContext(context) }),
    );
  }

  /** The result as the client gets it. */
  format(result: ExecutionResult, requestId: string): FormattedExecutionResult {
    const { errors, ...rest } = result;
    return errors ? { errors: this.formatErrors(errors, requestId), ...rest } : rest;
  }

  /** Errors as the client gets them; bugs among them are masked and logged under the request's id. */
  formatErrors(
    errors: readonly unknown[],
    requestId: string,
  ): NonNullable<FormattedExecutionResult['errors']> {
    const { logger, hideSuggestions } = this;
    return errors.map((error) => formatError(error, { requestId, logger, hideSuggestions }));
  }

  /** Waits for work at most as long as an operation may take. */
  inTime<Result>(work: Promise<Result>): Promise<Result> {
    const seconds = this.deadlineMs / 1_000;
    return withinMs(
      this.deadlineMs,
      work,
      () =>
        new DomainError(
          'TIMEOUT',
          `The operation took longer than ${seconds} s. A mutation may still finish: look before you repeat it.`,
        ),
    );
  }
}

function parsed(query: string): DocumentNode | GraphQLError {
  try {
    return parse(query, graphqlBounds.parse);
  } catch (error) {
    // Brackets within brackets, deeper than the parser's own calls may go.
    if (error instanceof RangeError) return tooComplex('depth');
    if (!(error instanceof GraphQLError)) throw error;
    // graphql-js has no code for it; the words are those of its parser.
    if (error.message.includes(`${queryLimits.tokens} tokens`)) return tooComplex('tokens');
    return withCode(error, 'GRAPHQL_PARSE_FAILED');
  }
}

function subscriptionElsewhere(): DomainError {
  return new DomainError(
    'INVALID_INPUT',
    'Subscriptions are told over WebSocket, or as server-sent events under /graphql/stream.',
  );
}

function unknownOperation(name: string | null | undefined): GraphQLError {
  const message =
    name == null
      ? 'The query has several operations: say which by operationName.'
      : 'The query has no operation of this operationName.';
  return new GraphQLError(message, { extensions: { code: 'OPERATION_RESOLUTION_FAILURE' } });
}

function withCode(error: GraphQLError, code: string): GraphQLError {
  error.extensions.code ??= code;
  return error;
}

function wrapped(error: unknown): GraphQLError {
  const originalError = error instanceof Error ? error : new Error('Something that is no error was thrown.');
  return new GraphQLError(originalError.message, { originalError });
}

function isAsyncIterable(value: AsyncIterable<unknown> | ExecutionResult): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value;
}

async function close(source: AsyncIterable<unknown> | ExecutionResult): Promise<void> {
  if (isAsyncIterable(source)) await source[Symbol.asyncIterator]().return?.();
}

/**
 * Maps a source of events, one at a time. No generator function: its `return` would wait for the next event before it
 * lets go of the source.
 */
function mapped<Event, Result>(
  source: AsyncIterable<Event>,
  map: (event: Event) => Promise<Result>,
): AsyncIterableIterator<Result> {
  const events = source[Symbol.asyncIterator]();
  const done = { done: true, value: undefined } as const;
  return {
    async next() {
      const event = await events.next();
      return event.done ? done : { done: false, value: await map(event.value) };
    },
    async return() {
      await events.return?.();
      return done;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
