import {
  createSourceEventStream,
  execute,
  type GraphQLError,
  OperationTypeNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { withinMs } from '../../core/clock';
import { DomainError, isServiceUnavailable } from '../../core/errors';
import type { WithoutTurn } from '../../core/owner-turns';
import { isChangeSource } from '../../core/push-source';
import { traced } from '../../core/tracing';
import { CountedUse, renewContext, type GraphQLContext } from '../../graphql/context';
import { checkAfter, isReadable, waitsIn, type WaitRequest } from '../../graphql/waits';
import type { PlannedPayload } from '../../reads/planned-payload';
import { AnswerLines } from '../answer-lines';
import { ResponseGroups } from './event-responses';
import { OpenStreams } from './open-streams';
import { OwnSubscription, SharedSubscription, type OpenSubscription } from './open-subscription';
import { OperationRecords } from './operation-records';
import { OperationsInFlight } from './operations-in-flight';
import type { OperationsOptions } from './operations-options';
import { isPrepared, PreparedDocuments, wrapped, type Prepared } from './prepared-operation';
import { paidCalls, queryLimits, tooComplex } from './query-complexity';
import type { RequestWaits } from './request-waits';
import { asText, ResponseText } from './response-text';
import { ResultFormat } from './result-format';

/** The result of a planned read: a response, or `left` to the resolvers. Null: it was not tried. */
export type EarlyResult = ExecutionResult | 'left' | null;

/**
 * Prepares, executes and formats operations. Shared by all transports, so that the same checks apply.
 */
export class Operations {
  readonly schema: GraphQLSchema;
  readonly deadlineMs: number;
  /** The subscriptions that are being delivered. */
  readonly streams: OpenStreams;
  /** What clients receive. */
  readonly results: ResultFormat;
  private readonly documents: PreparedDocuments;
  private readonly groups = new ResponseGroups(async (args, context, rootValue) =>
    asText(await this.executeEvent(args, context, rootValue)),
  );
  private readonly reads: OperationsOptions['reads'];
  private readonly waits: RequestWaits | undefined;
  private readonly countUseOf: OperationsOptions['countUse'];
  private readonly inFlight: OperationsInFlight;
  private readonly records: OperationRecords;

  constructor(options: OperationsOptions) {
    this.schema = options.schema;
    this.records = new OperationRecords(
      new AnswerLines(options.logger, options.answerSample),
      options.onOperation,
    );
    this.results = new ResultFormat(options.logger, !options.introspection, this.records);
    this.documents = new PreparedDocuments({ ...options, onListed: (one) => this.records.markListed(one) });
    this.deadlineMs = options.deadlineMs ?? 10_000;
    this.reads = options.reads;
    this.waits = options.waits;
    this.countUseOf = options.countUse;
    this.streams = options.streams ?? new OpenStreams();
    this.inFlight = options.inFlight ?? new OperationsInFlight(null);
  }

  /**
   * Reads the operation, resolves persisted queries, parses, applies the limits and validates.
   * @param given - the operation as sent by the client, unchecked
   */
  prepare(given: unknown): Prepared {
    return this.documents.prepare(given);
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

  /**
   * Waits if an operation of a request asks for it. The operations are executed afterwards: all of their fields have the
   * state after the wait, and the time limit of an operation does not include it.
   * @param client - see {@link WaitScope}
   * @returns the error that refuses the request, or null. Other errors are those of the field: see
   * {@link GraphQLContext.waitFailure}
   */
  async wait(
    all: readonly ExecutionArgs[],
    context: GraphQLContext,
    client: () => AbortSignal,
  ): Promise<GraphQLError | null> {
    // A viewer who may not read is refused by the resolvers.
    const requests = this.waits && context.viewer.scopes.has('read') ? all.flatMap(waitsIn) : [];
    const waits = requests.filter(({ waitMs }) => waitMs !== 0);
    if (waits.length > queryLimits.waits) return tooComplex('waits', waits.length);
    context.hasUnreadableCursor = requests.some(({ after }) => !isReadable(after));
    try {
      for (const request of waits) {
        checkAfter(request);
        await this.waitFor(request, context, client());
        context.hasWaited = true;
      }
    } catch (error) {
      if (error instanceof DomainError && error.code === 'UNAUTHENTICATED') return wrapped(error);
      context.waitFailure = error as Error;
    }
    return null;
  }

  private waitFor(request: WaitRequest, context: GraphQLContext, client: AbortSignal): Promise<void> {
    const inTime = <Result>(work: Promise<Result>): Promise<Result> => this.inTime(work);
    const onBegin = (): Promise<void> => this.countUse(context);
    return this.waits!.wait(context.viewer, request, { client, inTime, onBegin });
  }

  /** Counts the use before the wait, so that a token that is used up cannot wait. */
  private async countUse(context: GraphQLContext): Promise<void> {
    const { viewer } = context;
    if (!this.countUseOf || !viewer.clientToken) return;
    const use = this.countUseOf(viewer);
    context.waitUse = new CountedUse(use);
    await use;
  }

  /** Ends all waits: their operations are executed at once, as are later ones. */
  stopWaiting(): void {
    this.waits?.stop();
  }

  /** Executes within the time limit of an operation. Never rejects. */
  private async execute(run: () => ReturnType<typeof execute>): Promise<ExecutionResult> {
    try {
      const result = run();
      return result instanceof Promise ? await this.inTime(result) : result;
    } catch (error) {
      return { errors: [wrapped(error)] };
    }
  }

  /**
   * Answers a query by a planned read. Never rejects.
   * @returns a {@link ResponseText}; the error, if the time limit was exceeded; or that the resolvers must respond
   */
  async read(args: ExecutionArgs, context: GraphQLContext): Promise<Exclude<EarlyResult, null>> {
    if (!this.reads) return 'left';
    if (context.waitFailure !== undefined || context.hasUnreadableCursor) {
      this.reads.leaveFailedWait(args);
      return 'left';
    }
    const startedMs = performance.now();
    const result = await traced('graphql.plan', this.records.labelOf(args).attributes, () =>
      this.readPlanned(args, context),
    );
    if (result !== 'left') this.records.ended(args, context, result.errors, startedMs);
    return result;
  }

  private async readPlanned(
    args: ExecutionArgs,
    context: GraphQLContext,
  ): Promise<Exclude<EarlyResult, null>> {
    const { viewer } = context;
    try {
      const read = this.reads?.prepare(args, viewer);
      const text =
        read &&
        (await this.inTime(
          this.inFlight.run(viewer.owner, read.answer, {
            isShort: read.isShort,
            mayQueue: context.hasWaited,
          }),
        ));
      return text == null ? 'left' : new ResponseText(text);
    } catch (error) {
      if (!isServiceUnavailable(error)) return { errors: [wrapped(error)] };
      // The resolvers make the response, without waiting for the database a second time.
      context.unavailable = error as Error;
      return 'left';
    }
  }

  /**
   * Responds to a query or a mutation. Never rejects.
   * @param early - the result of {@link read}
   * @defaultValue null: it is called first
   * @returns a {@link ResponseText} if a planned read answered it
   */
  async respond(
    args: ExecutionArgs,
    context: GraphQLContext,
    early: EarlyResult = null,
  ): Promise<ExecutionResult> {
    const startedMs = performance.now();
    const read = early ?? (await this.read(args, context));
    if (read !== 'left') return read;
    const payload = this.reads?.preparePayload(args, context.viewer) ?? undefined;
    const run = (withoutTurn?: WithoutTurn): ReturnType<typeof execute> => {
      context.withoutTurn = withoutTurn;
      context.payload = payload;
      return execute({ ...args, contextValue: context });
    };
    const result = await traced('graphql.execute', this.records.labelOf(args).attributes, () =>
      this.execute(() =>
        context.unavailable
          ? run()
          : this.inFlight.run(context.viewer.owner, run, { mayQueue: context.hasWaited }),
      ),
    );
    this.records.ended(args, context, result.errors, startedMs);
    return withPayload(result, payload);
  }

  /**
   * {@link respond} to the only operation of a request, after its {@link wait}.
   * @param client - see {@link WaitScope}
   */
  async respondAfterWait(
    args: ExecutionArgs,
    context: GraphQLContext,
    client: AbortSignal,
  ): Promise<ExecutionResult> {
    const refusal = await this.wait([args], context, () => client);
    if (!refusal) return this.respond(args, context);
    this.records.refused([refusal], context.notes);
    return { errors: [refusal] };
  }

  /**
   * Opens a subscription. Each event is resolved with a new context, so that cached data are not stale.
   * @returns the subscription, or the result with the errors
   */
  async subscribe(args: ExecutionArgs, context: GraphQLContext): Promise<OpenSubscription | ExecutionResult> {
    const startedMs = performance.now();
    const opened = await traced('graphql.subscribe', this.records.labelOf(args).attributes, () =>
      this.open(args, context),
    );
    this.records.ended(args, context, 'errors' in opened ? opened.errors : undefined, startedMs);
    return opened;
  }

  private async open(
    args: ExecutionArgs,
    context: GraphQLContext,
  ): Promise<OpenSubscription | ExecutionResult> {
    const opening = createSourceEventStream({ ...args, contextValue: context });
    let source: AsyncIterable<unknown> | ExecutionResult;
    try {
      source = await this.inTime(opening);
    } catch (error) {
      void opening.then(close, () => undefined);
      return { errors: [wrapped(error)] };
    }
    if (!isAsyncIterable(source)) return source;
    return isChangeSource(source)
      ? new SharedSubscription(source, this.groups.join(args, context), this.groups)
      : this.ownSubscription(source, args, context);
  }

  // Not in `subscribe`, so that shared subscriptions keep no function of their own.
  private ownSubscription(
    source: AsyncIterable<unknown>,
    args: ExecutionArgs,
    context: GraphQLContext,
  ): OpenSubscription {
    return new OwnSubscription(source, (rootValue) => this.executeEvent(args, context, rootValue));
  }

  private executeEvent(
    args: ExecutionArgs,
    context: GraphQLContext,
    rootValue: unknown,
  ): Promise<ExecutionResult> {
    return this.execute(() => execute({ ...args, rootValue, contextValue: renewContext(context) }));
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

/** The result with the payload that was read. */
function withPayload(result: ExecutionResult, payload: PlannedPayload | undefined): ExecutionResult {
  return payload?.text == null || result.errors ? result : new ResponseText(payload.text);
}

function isAsyncIterable(value: AsyncIterable<unknown> | ExecutionResult): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value;
}

async function close(source: AsyncIterable<unknown> | ExecutionResult): Promise<void> {
  if (isAsyncIterable(source)) await source[Symbol.asyncIterator]().return?.();
}
