import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../core/logger';
import type { Exchange } from './router';

/** What an exchange is made from. `query` is the text after the question mark. */
export type ExchangeFacts = Pick<Exchange, 'path' | 'requestId' | 'expectsContinue' | 'logger'> & {
  readonly query: string;
};

/** An exchange whose query and logger are made when they are needed first. */
export class ServerExchange implements Exchange {
  params: Exchange['params'] = {};
  readonly notes: Exchange['notes'] = {};
  private parsedQuery: URLSearchParams | null = null;
  private childLogger: Logger | null = null;

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    private readonly facts: ExchangeFacts,
  ) {}

  get path(): string {
    return this.facts.path;
  }

  get requestId(): string {
    return this.facts.requestId;
  }

  get expectsContinue(): boolean {
    return this.facts.expectsContinue;
  }

  get query(): URLSearchParams {
    this.parsedQuery ??= new URLSearchParams(this.facts.query);
    return this.parsedQuery;
  }

  get logger(): Logger {
    this.childLogger ??= this.facts.logger.child({ requestId: this.requestId });
    return this.childLogger;
  }
}
