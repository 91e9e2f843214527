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
import { OperationTypeNode, parse, type DocumentNode, type GraphQLError } from 'graphql';
import { DomainError } from '../../core/errors';
import type { Logger } from '../../core/logger';
import type { Viewer } from '../../core/viewer';
import type { GraphQLContext } from '../../graphql/context';
import { domainErrorIn } from '../../graphql/errors';
import { answerText, hints, type Headers } from '../answers';
import { credentialsOf, type Authenticate } from '../authenticate';
import { createContext } from '../context';
import type { Exchange, Route } from '../exchange';
import { mediaTypes, names, negotiate, type MediaType } from '../media-types';
import type { Origins } from '../origins';
import type { RateGate } from '../rate-gate';
import { mutationByGet, Unacceptable } from './graphql-body';
import { readGraphQLRequest, type GraphQLRequest } from './graphql-request';
import { isPrepared, type Operations, type Prepared } from './operations';

/** What {@link GraphQLHttpHandler} needs. */
export interface GraphQLHttpHandlerOptions {
  readonly path: string;
  readonly operations: Operations;
  readonly authenticate: Authenticate;
  readonly origins: Origins;
  readonly logger: Logger;
  /** Where a browser that opens the path is sent. \@defaultValue nowhere: it gets an error */
  readonly explorerPath?: string;
  /** \@defaultValue no limit */
  readonly rates?: RateGate;
  /** Whether one request may bring several operations. \@defaultValue false */
  readonly batching?: boolean;
}

/**
 * GraphQL over HTTP, after the specification of that name: POST, and GET for queries. Apollo is the HTTP engine: it
 * guards against forged requests and puts answers and batches together. What it would parse, validate and execute
 * goes through {@link Operations}, as over WebSocket and SSE. What would call home is switched off.
 */
export class GraphQLHttpHandler {
  readonly route: Route;
  private readonly apollo: ApolloServer<GraphQLContext>;
  /** By the body that Apollo is given for each operation. */
  private readonly prepared = new WeakMap<object, Prepared>();
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
      // Introspection is a rule of Operations.
      introspection: true,
      // Otherwise a stored document would replace the prepared one.
      documentStore: null,
      csrfPrevention: true,
      allowBatchedHttpRequests: options.batching ?? false,
      persistedQueries: false,
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

  /** Lets operations under way finish. */
  async stop(): Promise<void> {
    // Kept: Apollo never answers a second call that comes during the first.
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

  /** Somebody opened the address in a browser. */
  private isVisit({ request, query }: Exchange): boolean {
    const isAsking =
      request.method !== 'GET' || query.has('query') || !names(request.headers.accept, 'text/html');
    return this.options.explorerPath !== undefined && !isAsking;
  }

  private async run(exchange: Exchange, mediaType: MediaType): Promise<void> {
    const { operations } = this.options;
    const { request, response, requestId } = exchange;
    const { viewer, asked } = await this.admit(exchange);
    const prepared = asked.operations.map((operation) => operations.prepare(operation));
    if (request.method === 'GET' && prepared.some(isMutation)) {
      this.answer(exchange, mediaType, 405, [mutationByGet()], { allow: 'POST' });
      return;
    }
    const refusal = refusalIn(prepared) ?? operations.findForbidden(prepared);
    if (refusal) {
      this.answer(exchange, mediaType, statusOf([refusal], mediaType), [refusal]);
      return;
    }
    const executing = this.apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: this.forApollo(exchange, asked, prepared),
      context: () => Promise.resolve(createContext(viewer, requestId)),
    });
    const { status, headers, body } = await operations.inTime(executing);
    if (body.kind !== 'complete') throw new Error('Incremental delivery is not offered.');
    answerText(response, status ?? 200, body.string, {
      ...Object.fromEntries(headers),
      'content-type': mediaType,
    });
  }

  /** A GET becomes a POST: what distinguishes them has been checked. */
  private forApollo(
    exchange: Exchange,
    { isBatch }: GraphQLRequest,
    prepared: readonly Prepared[],
  ): HTTPGraphQLRequest {
    const bodies = prepared.map((one) => {
      const body = { query: standIn.text };
      this.prepared.set(body, one);
      return body;
    });
    return {
      method: 'POST',
      headers: headersOf(exchange),
      search: '',
      body: isBatch ? bodies : bodies[0],
    };
  }

  /** Finds out who asks, then reads what, and counts both. */
  private async admit(exchange: Exchange): Promise<{ viewer: Viewer; asked: GraphQLRequest }> {
    const { operations, authenticate, origins, rates, batching = false } = this.options;
    if (origins.isForeign(exchange.request.headers)) {
      throw new DomainError('FORBIDDEN', 'Origin not allowed. Add it to CORS_ORIGINS.');
    }
    rates?.countAddress(exchange);
    const viewer = await operations.inTime(authenticate(credentialsOf(exchange.request)));
    rates?.countOwner(viewer, exchange);
    const asked = await readGraphQLRequest(exchange, batching);
    const more = Math.max(asked.operations.length - 1, 0);
    rates?.countAddress(exchange, more);
    rates?.countOwner(viewer, exchange, more);
    return { viewer, asked };
  }

  private refuse(exchange: Exchange, mediaType: MediaType, error: unknown): void {
    if (exchange.response.destroyed) return;
    this.answer(exchange, mediaType, error instanceof DomainError ? error.httpStatus : 500, [error]);
  }

  private answer(
    { response, requestId }: Exchange,
    mediaType: MediaType,
    status: number,
    errors: readonly unknown[],
    headers: Headers = {},
  ): void {
    const domain = domainErrorIn(errors[0]);
    const text = JSON.stringify({ errors: this.options.operations.formatErrors(errors, requestId) });
    answerText(response, status, text, {
      'content-type': mediaType,
      ...(domain && hints(domain)),
      ...headers,
    });
  }

  /** Gives Apollo the prepared document, so that it parses and validates nothing, and executes in its place. */
  private pipeline(): ApolloServerPlugin<GraphQLContext> {
    const { operations } = this.options;
    const listener: GraphQLRequestListener<GraphQLContext> = {
      didResolveSource: (running) => {
        const prepared = this.preparedOf(running);
        (running as { document?: DocumentNode }).document = isPrepared(prepared)
          ? prepared.args.document
          : standIn.document;
        return Promise.resolve();
      },
      responseForOperation: async (running) => {
        const prepared = this.preparedOf(running);
        const { contextValue, request } = running;
        const result = isPrepared(prepared)
          ? await operations.execute({ ...prepared.args, contextValue })
          : { errors: prepared };
        const mediaType = negotiate(request.http?.headers.get('accept')) ?? mediaTypes.json;
        const status = 'data' in result ? 200 : statusOf(result.errors ?? [], mediaType);
        const singleResult = operations.format(result, contextValue.requestId);
        return { http: { status, headers: new HeaderMap() }, body: { kind: 'single', singleResult } };
      },
    };
    return { requestDidStart: () => Promise.resolve(listener) };
  }

  private preparedOf({ request }: GraphQLRequestContext<GraphQLContext>): Prepared {
    return this.prepared.get(request.http!.body as object)!;
  }
}

/** What Apollo sees in place of every query. */
const standIn = { text: '{ __typename }', document: parse('{ __typename }') };

function headersOf({ request }: Exchange): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  // Apollo lets a GET pass if a header shows that no other site's page can have sent it. That no browser says that
  // one did (see Origins), and that the answer is asked for by its name, shows as much to us.
  const types = ['application/json', 'application/graphql-response+json'];
  const isNamed = types.some((type) => names(request.headers.accept, type));
  if (request.method === 'GET' && isNamed) map.set('apollo-require-preflight', 'true');
  return map;
}

function isMutation(prepared: Prepared): boolean {
  return isPrepared(prepared) && prepared.kind === OperationTypeNode.MUTATION;
}

/** What refuses the whole request: the form of an operation, its size, or a persisted query. */
function refusalIn(all: readonly Prepared[]): GraphQLError | undefined {
  return all.flatMap((one) => (isPrepared(one) ? [] : one)).find((error) => domainErrorIn(error));
}

/** A well-formed request that GraphQL refuses is answered 200 to clients that want plain JSON, as the specification says. */
function statusOf(errors: readonly GraphQLError[], mediaType: MediaType): number {
  const domain = domainErrorIn(errors[0]);
  const isUnusable = domain !== null && domain.code !== 'QUERY_TOO_COMPLEX';
  if (isUnusable) return domain.httpStatus;
  return mediaType === mediaTypes.json ? 200 : 400;
}
