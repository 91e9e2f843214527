import {
  ApolloServer,
  type ApolloServerPlugin,
  type GraphQLRequestContextWillSendResponse,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { GraphQLError } from 'graphql';
import { DomainError } from '../core/errors';
import type { Logger } from '../core/logger';
import type { Viewer } from '../core/viewer';
import type { GraphQLContext } from '../graphql/context';
import { domainErrorIn } from '../graphql/errors';
import { answerText, hints } from './answers';
import { credentialsOf, type Authenticate } from './authenticate';
import { createContext } from './context';
import type { Exchange, Route } from './exchange';
import { Unacceptable } from './graphql-body';
import { readGraphQLRequest, type GraphQLRequest } from './graphql-request';
import { mediaTypes, names, negotiate, type MediaType } from './media-types';
import { graphqlBounds, type Operations } from './operations';
import type { Origins } from './origins';
import type { RateGate } from './rate-gate';

/** What {@link GraphQLDoor} needs. */
export interface GraphQLDoorOptions {
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
 * GraphQL over HTTP, after the specification of that name: POST, and GET for queries. Apollo executes; what must hold
 * on every door (limits, the form of errors) is ours, and what would call home is switched off.
 */
export class GraphQLDoor {
  readonly route: Route;
  private readonly apollo: ApolloServer<GraphQLContext>;
  private isStarted = false;
  private stopping: Promise<void> | null = null;

  constructor(private readonly options: GraphQLDoorOptions) {
    this.route = {
      methods: ['GET', 'POST'],
      path: options.path,
      handle: (exchange) => this.handle(exchange),
    };
    const { operations, logger } = options;
    this.apollo = new ApolloServer<GraphQLContext>({
      schema: operations.schema,
      nodeEnv: 'production',
      // Switched by a rule of ours, whose words do not speak of Apollo.
      introspection: true,
      validationRules: [...operations.rules],
      parseOptions: graphqlBounds.parse,
      validationOptions: graphqlBounds.validate,
      executionOptions: graphqlBounds.execute,
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
        answersOf(operations),
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
    const { response, requestId } = exchange;
    const { viewer, asked } = await this.admit(exchange);
    const refusal = operations.weigh(asked.operations);
    if (refusal) {
      this.answer(exchange, mediaType, mediaType === mediaTypes.json ? 200 : 400, refusal);
      return;
    }
    const context = (): Promise<GraphQLContext> => Promise.resolve(createContext(viewer, requestId));
    const executing = this.apollo.executeHTTPGraphQLRequest({ httpGraphQLRequest: asked.http, context });
    const { status, headers, body } = await operations.inTime(executing);
    if (body.kind !== 'complete') throw new Error('Incremental delivery is not offered.');
    answerText(response, status ?? 200, body.string, Object.fromEntries(headers));
  }

  /** Finds out who asks, then reads what, and counts both. */
  private async admit(exchange: Exchange): Promise<{ viewer: Viewer; asked: GraphQLRequest }> {
    const { operations, authenticate, origins, rates, batching = false } = this.options;
    if (origins.isForeign(exchange.request.headers)) {
      throw new DomainError('FORBIDDEN', 'Pages of this origin may not ask.');
    }
    rates?.countAddress(exchange);
    const viewer = await operations.inTime(authenticate(credentialsOf(exchange.request)));
    rates?.countOwner(viewer, exchange);
    const complete = operations.complete.bind(operations);
    const asked = await readGraphQLRequest(exchange, { batching, complete });
    const more = Math.max(asked.operations.length - 1, 0);
    rates?.countAddress(exchange, more);
    rates?.countOwner(viewer, exchange, more);
    return { viewer, asked };
  }

  private refuse(exchange: Exchange, mediaType: MediaType, error: unknown): void {
    if (exchange.response.destroyed) return;
    this.answer(exchange, mediaType, error instanceof DomainError ? error.httpStatus : 500, error);
  }

  private answer(
    { response, requestId }: Exchange,
    mediaType: MediaType,
    status: number,
    error: unknown,
  ): void {
    const domain = domainErrorIn(error);
    const text = JSON.stringify({ errors: this.options.operations.formatErrors([error], requestId) });
    answerText(response, status, text, { 'content-type': mediaType, ...(domain && hints(domain)) });
  }
}

/**
 * Gives Apollo's answers our form: errors are formatted where the request's id is known, which Apollo's own hook does
 * not, and a well-formed request that GraphQL refuses is answered 200 to those who want plain JSON, as the
 * specification says.
 */
function answersOf(operations: Operations): ApolloServerPlugin<GraphQLContext> {
  const willSendResponse = (told: GraphQLRequestContextWillSendResponse<GraphQLContext>): Promise<void> => {
    const { body, http } = told.response;
    if (told.errors && body.kind === 'single') {
      body.singleResult.errors = operations.formatErrors(told.errors, told.contextValue.requestId);
    }
    const mediaType = negotiate(told.request.http?.headers.get('accept')) ?? mediaTypes.json;
    http.headers.set('content-type', mediaType);
    if (http.status === 400 && mediaType === mediaTypes.json && !isMalformed(told.errors)) http.status = 200;
    return Promise.resolve();
  };
  return { requestDidStart: () => Promise.resolve({ willSendResponse }) };
}

function isMalformed(errors: readonly GraphQLError[] | undefined): boolean {
  return errors?.some((error) => error.extensions.code === 'BAD_REQUEST') ?? false;
}
