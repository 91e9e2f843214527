import { LRUCache } from 'lru-cache';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { everyTopic } from '../events/wake';
import { revokedCredentials } from './client-token.repository';

const topicPrefix = 'revoked:';

/**
 * The notification topic for a revoked API key or client token. Announce it after the commit.
 * @param id - of the key or token
 */
export function revocationTopic(id: string): string {
  return `${topicPrefix}${id}`;
}

/** Open connections, which end when their credentials are revoked. */
export interface RevocableConnections {
  /** Whether there is one that a revocation would end; the database is polled only then. */
  readonly isRevocable: boolean;
  /** Ends those with the API key or client token. It must be fast: it is called for all revoked ones in turn. */
  endRevoked(id: string): void;
}

/**
 * Ends connections, such as WebSockets, whose API keys and client tokens were revoked in any process. Requests are authenticated
 * against the database; they use this only to detect a revocation during the lookup.
 */
export class Revocations {
  private readonly revoked = new LRUCache<string, true>({ max: 10_000 });
  private readonly connections: RevocableConnections[] = [];
  private running: { unsubscribe: () => void; timer: NodeJS.Timeout } | null = null;

  constructor(
    private readonly sql: Sql,
    private readonly wakeups: { onTopic(listener: (topic: string) => void): () => void },
    private readonly logger: Logger,
    /** How often the database is polled in case notifications were lost, in milliseconds. */
    private readonly sweepMs = 30_000,
  ) {}

  /** Starts listening. Further calls have no effect. */
  start(): void {
    this.running ??= {
      unsubscribe: this.wakeups.onTopic((topic) => this.onTopic(topic)),
      timer: setInterval(() => void this.sweep(), this.sweepMs).unref(),
    };
  }

  stop(): void {
    if (!this.running) return;
    this.running.unsubscribe();
    clearInterval(this.running.timer);
    this.running = null;
  }

  /** Whether this process was notified that the key or token is revoked. False does not mean that it is valid. */
  has(id: string): boolean {
    return this.revoked.has(id);
  }

  /**
   * Ends connections for every revoked key and token, and again at each poll for one day, to include those that were being
   * opened when the notification arrived.
   */
  add(connections: RevocableConnections): void {
    this.connections.push(connections);
  }

  private onTopic(topic: string): void {
    if (topic === everyTopic) void this.sweep();
    else if (topic.startsWith(topicPrefix)) this.markRevoked(topic.slice(topicPrefix.length));
  }

  /** Reads revocations from the database, because notifications may have been lost. */
  private async sweep(): Promise<void> {
    if (!this.connections.some(({ isRevocable }) => isRevocable)) return;
    try {
      for (const id of await revokedCredentials(this.sql)) this.markRevoked(id);
    } catch (error) {
      this.logger.debug({ err: error }, 'revoked keys and client tokens could not be read; will retry');
    }
  }

  private markRevoked(id: string): void {
    this.revoked.set(id, true);
    for (const each of this.connections) each.endRevoked(id);
  }
}
