import type { ServerResponse } from 'node:http';
import {
  ApolloServer,
  HeaderMap,
  type ApolloServerPlugin,
  type GraphQLRequestContext,
  type GraphQLRequestListener,
  type HTTPGraphQLRequest,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { DocumentNode, ExecutionArgs, GraphQLError } from 'graphql';
import { DomainError } from '../../core/errors';
import type { Logger } from '../../core/logger';
import { ownerHash } from '../../core/owner-hash';
import type { Viewer } from '../../core/viewer';
import { createContext, type GraphQLContext } from '../../graphql/context';
import { domainErrorIn } from '../../graphql/errors';
import { mediaTypes, names, negotiate, type MediaType } from '../media-types';
import { sendText, errorHeaders, type Headers } from '../responses';
import type { Exchange, Route } from '../router';
import { headersOf, placeholder, resultForApollo, stringify } from './apollo-forms';
import { mutationByGet, Unacceptable, readGraphQLRequest, type GraphQLRequest } from './graphql-request';
import type { EarlyResult } from './operations';
import { isMutation, isPrepared, type Prepared } from './prepared-operation';
import { ResponseText } from './response-text';
import { authenticateRequest, signalOf, type TransportOptions } from './transport';

export interface GraphQLHttpHandlerOptions extends TransportOptions {
  readonly logger: Logger;
  /**
   * The path that browsers are redirected to.
   * @defaultValue no redirect: the response is an error
   */
  readonly explorerPath?: string;
  /**
   * Whether a request may contain several operations.
   * @defaultValue false
   */
  readonly batching?: boolean;
}

/**
 * Implements the GraphQL over HTTP specification: POST, and GET for queries. Apollo provides CSRF prevention, response
 * formatting and batching. Parsing, validation and execution use {@link Operations}, as over WebSocket and SSE. Apollo's
 * reporting plugins are disabled.
 */
export class GraphQLHttpHandler {
  readonly route: Route;
  private readonly apollo: ApolloServer<GraphQLContext>;
  /** Prepared operations by the body that is passed to Apollo. */
  private readonly prepared = new WeakMap<object, Running>();
  private isStarted = false;
  private stopping: Promise<void> | null = null;

  constructor(private readonly options: GraphQLHttpHandlerOptions) {
    this.route = {
      methods: ['GET', 'POST'],
      path: options.path,
      handle: (exchange) => this.handle(exchange),
    };
    const { operations, logger } = options;
    this.apollo = new ApolloServer<GraphQLContext>({
      schema: operations.schema,
      nodeEnv: 'production',
      // Operations enforces the introspection setting.
      introspection: true,
      // A document store would replace the prepared document.
      documentStore: null,
      csrfPrevention: true,
      allowBatchedHttpRequests: options.batching ?? false,
      persistedQueries: false,
      stringifyResult: stringify,
      includeStacktraceInErrorResponses: false,
      stopOnTerminationSignals: false,
      logger: logger.child({ part: 'apollo' }),
      plugins: [
        ApolloServerPluginCacheControlDisabled(),
        ApolloServerPluginInlineTraceDisabled(),
        ApolloServerPluginLandingPageDisabled(),
        ApolloServerPluginSchemaReportingDisabled(),
        ApolloServerPluginUsageReportingDisabled(),
        this.pipeline(),
      ],
    });
  }

  /** @throws Error if the schema is wrong */
  async start(): Promise<void> {
    await this.apollo.start();
    this.isStarted = true;
  }

  /** Waits for running operations. */
  async stop(): Promise<void> {
    // The promise is kept because Apollo never resolves a second call made during the first.
    if (this.isStarted) this.stopping ??= this.apollo.stop();
    await this.stopping;
  }

  private async handle(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    if (this.isVisit(exchange)) {
      response.writeHead(303, { location: this.options.explorerPath, 'content-length': 0 }).end();
      return;
    }
    const mediaType = negotiate(request.headers.accept);
    try {
      if (!mediaType)
        throw new Unacceptable(406, 'Accept application/json or application/graphql-response+json.');
      await this.run(exchange, mediaType);
    } catch (error) {
      this.refuse(exchange, mediaType ?? mediaTypes.json, error);
    }
  }

  /** Whether a browser opened the URL as a page. */
  private isVisit({ request, query }: Exchange): boolean {
    const isOperation =
      request.method !== 'GET' || query.has('query') || !names(request.headers.accept, 'text/html');
    return this.options.explorerPath !== undefined && !isOperation;
  }

  private async run(exchange: Exchange, mediaType: MediaType): Promise<void> {
    const { operations } = this.options;
    const { request, response, requestId } = exchange;
    const { viewer, graphqlRequest } = await this.admit(exchange);
    const prepared = graphqlRequest.operations.map((operation) => operations.prepare(operation));
    if (request.method === 'GET' && prepared.some(isMutation)) {
      this.answer(exchange, mediaType, 405, [mutationByGet()], { allow: 'POST' });
      return;
    }
    exchange.notes.owner = ownerHash(viewer.owner);
    const context = createContext(viewer, requestId, exchange);
    const refusal = await this.refusalOf(prepared, context, response);
    if (refusal) {
      this.answer(exchange, mediaType, statusOf([refusal], mediaType), [refusal]);
      return;
    }
    // The client has left during the wait.
    if (response.closed) return;
    const early = await this.readEarly(exchange, graphqlRequest, prepared, context);
    if (early instanceof ResponseText) {
      sendText(response, 200, `${early.text}\n`, { 'content-type': mediaType });
      return;
    }
    const executing = this.apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: this.forApollo(exchange, graphqlRequest, prepared, early),
      context: () => Promise.resolve(context),
    });
    const { status, headers, body } = await operations.inTime(executing);
    if (body.kind !== 'complete') throw new Error('Incremental delivery is not supported.');
    sendText(response, status ?? 200, body.string, {
      ...Object.fromEntries(headers),
      'content-type': mediaType,
    });
  }

  /** The error that refuses the whole request, or null after the wait that it asks for. */
  private async refusalOf(
    prepared: readonly Prepared[],
    context: GraphQLContext,
    response: ServerResponse,
  ): Promise<GraphQLError | null> {
    const { operations } = this.options;
    const refusal = refusalIn(prepared) ?? operations.findForbidden(prepared);
    return refusal ?? operations.wait(argumentsOf(prepared), context, () => signalOf(response));
  }

  /**
   * Answers a single query by POST before Apollo, which would only add the checks of GET and of batches.
   * @returns null if it was not tried
   */
  private async readEarly(
    { request }: Exchange,
    { isBatch }: GraphQLRequest,
    [only]: readonly Prepared[],
    context: GraphQLContext,
  ): Promise<EarlyResult> {
    if (isBatch || request.method !== 'POST' || !only || !isPrepared(only)) return null;
    return this.options.operations.read(only.args, context);
  }

  /** Converts GET to POST; the differences have been checked before. */
  private forApollo(
    exchange: Exchange,
    { isBatch }: GraphQLRequest,
    prepared: readonly Prepared[],
    early: EarlyResult,
  ): HTTPGraphQLRequest {
    const bodies = prepared.map((one) => {
      const body = { query: placeholder.text };
      this.prepared.set(body, { prepared: one, early });
      return body;
    });
    return {
      method: 'POST',
      headers: headersOf(exchange),
      search: '',
      body: isBatch ? bodies : bodies[0],
    };
  }

  /** Authenticates the caller, reads the request and counts its operations against the rate limits. */
  private async admit(exchange: Exchange): Promise<{ viewer: Viewer; graphqlRequest: GraphQLRequest }> {
    const { origins, rates, sessions, batching = false } = this.options;
    origins.check(exchange.request.headers);
    const viewer = await authenticateRequest(exchange, this.options);
    const graphqlRequest = await readGraphQLRequest(exchange, batching);
    sessions.check(viewer);
    const more = Math.max(graphqlRequest.operations.length - 1, 0);
    rates?.countAddress(exchange, more);
    rates?.countOwner(viewer, exchange, more);
    return { viewer, graphqlRequest };
  }

  private refuse(exchange: Exchange, mediaType: MediaType, error: unknown): void {
    if (exchange.response.destroyed) return;
    this.answer(exchange, mediaType, error instanceof DomainError ? error.httpStatus : 500, [error]);
  }

  private answer(
    exchange: Exchange,
    mediaType: MediaType,
    status: number,
    errors: readonly unknown[],
    headers: Headers = {},
  ): void {
    const domain = domainErrorIn(errors[0]);
    const text = JSON.stringify({ errors: this.options.operations.results.refuse(errors, exchange) });
    sendText(exchange.response, status, text, {
      'content-type': mediaType,
      ...(domain && errorHeaders(domain)),
      ...headers,
    });
  }

  /** Passes the prepared document to Apollo, which then skips parsing and validation, and executes the operation. */
  private pipeline(): ApolloServerPlugin<GraphQLContext> {
    const { operations } = this.options;
    const listener: GraphQLRequestListener<GraphQLContext> = {
      didResolveSource: (running) => {
        const { prepared } = this.runningOf(running);
        (running as { document?: DocumentNode }).document = isPrepared(prepared)
          ? prepared.args.document
          : placeholder.document;
        return Promise.resolve();
      },
      responseForOperation: async (running) => {
        const { prepared, early } = this.runningOf(running);
        const { contextValue, request } = running;
        const result = isPrepared(prepared)
          ? await operations.respond(prepared.args, contextValue, early)
          : { errors: prepared };
        if (!isPrepared(prepared)) operations.results.recordRefusal(prepared, contextValue.notes);
        const mediaType = negotiate(request.http?.headers.get('accept')) ?? mediaTypes.json;
        const status = result.errors && !('data' in result) ? statusOf(result.errors, mediaType) : 200;
        const singleResult = resultForApollo(operations.results.format(result, contextValue.requestId));
        return { http: { status, headers: new HeaderMap() }, body: { kind: 'single', singleResult } };
      },
    };
    return { requestDidStart: () => Promise.resolve(listener) };
  }

  private runningOf({ request }: GraphQLRequestContext<GraphQLContext>): Running {
    return this.prepared.get(request.http!.body as object)!;
  }
}

/** An operation that Apollo runs, and the result of the planned read that was tried before. */
interface Running {
  readonly prepared: Prepared;
  readonly early: EarlyResult;
}

function argumentsOf(all: readonly Prepared[]): ExecutionArgs[] {
  return all.flatMap((one) => (isPrepared(one) ? [one.args] : []));
}

/** The first error that refuses the whole request: malformed operation, limits, persisted queries. */
function refusalIn(all: readonly Prepared[]): GraphQLError | undefined {
  return all.flatMap((one) => (isPrepared(one) ? [] : one)).find((error) => domainErrorIn(error));
}

/** As specified, a well-formed request that GraphQL refuses has status 200 if the client accepts plain JSON. */
function statusOf(errors: readonly GraphQLError[], mediaType: MediaType): number {
  const domain = domainErrorIn(errors[0]);
  const isUnusable = domain !== null && domain.code !== 'QUERY_TOO_COMPLEX';
  if (isUnusable) return domain.httpStatus;
  return mediaType === mediaTypes.json ? 200 : 400;
}
