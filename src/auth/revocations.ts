import { LRUCache } from 'lru-cache';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { everyTopic } from '../events/wake';
import { revokedKeys } from './api-key.repository';

const topicPrefix = 'revoked:';

/** The notification topic for a revoked key. Announce it after the commit. */
export function revocationTopic(keyId: string): string {
  return `${topicPrefix}${keyId}`;
}

/**
 * Notifies listeners, which close WebSockets, of keys that were revoked in any process. Requests are authenticated
 * against the database; they use this only to detect a revocation during the lookup.
 */
export class Revocations {
  private readonly revoked = new LRUCache<string, true>({ max: 10_000 });
  private readonly listeners = new Set<(keyId: string) => void>();
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

  /** Whether this process was notified that the key is revoked. False does not mean that the key is valid. */
  has(keyId: string): boolean {
    return this.revoked.has(keyId);
  }

  /**
   * Calls `listener` for every revoked key, and again at each poll for one day, to include sockets that were being opened
   * when the notification arrived.
   * @returns removes the listener
   */
  onRevoked(listener: (keyId: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private onTopic(topic: string): void {
    if (topic === everyTopic) void this.sweep();
    else if (topic.startsWith(topicPrefix)) this.markRevoked(topic.slice(topicPrefix.length));
  }

  /** Reads revocations from the database, because notifications may have been lost. */
  private async sweep(): Promise<void> {
    try {
      for (const id of await revokedKeys(this.sql)) this.markRevoked(id);
    } catch (error) {
      this.logger.debug({ err: error }, 'revoked keys could not be read; will retry');
    }
  }

  private markRevoked(keyId: string): void {
    this.revoked.set(keyId, true);
    for (const listener of this.listeners) listener(keyId);
  }
}
