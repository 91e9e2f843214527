import { LRUCache } from 'lru-cache';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { everyTopic } from '../events/wake';

/** What {@link Revocations} is made of. */
export interface RevocationsDeps {
  sql: Sql;
  wakeups: { onTopic(listener: (topic: string) => void): () => void };
  logger: Logger;
  /**
   * How often the database is asked besides, in milliseconds, should a word have been lost.
   * @defaultValue 30 seconds
   */
  sweepMs?: number;
}

const topicPrefix = 'revoked:';

/** How far back the database is asked. Longer than any pause between two questions that anybody would put up with. */
const lookBack = '1 day';

/** The word by which all processes are told that a key was revoked; to be announced after the commit. */
export function revocationTopic(keyId: string): string {
  return `${topicPrefix}${keyId}`;
}

/**
 * Hears of revoked keys, in whichever process they are revoked, and tells who holds sockets open. Keys themselves are
 * asked of the database at every request, so nothing here decides whether a request is let in but one thing: a key
 * that was revoked while it was being looked up.
 */
export class Revocations {
  private readonly revoked = new LRUCache<string, true>({ max: 10_000 });
  private readonly listeners = new Set<(keyId: string) => void>();
  private running: { unsubscribe: () => void; timer: NodeJS.Timeout } | null = null;

  constructor(private readonly deps: RevocationsDeps) {}

  /** Begins to listen. Called twice, it starts once. */
  start(): void {
    const { wakeups, sweepMs = 30_000 } = this.deps;
    this.running ??= {
      unsubscribe: wakeups.onTopic((topic) => this.onTopic(topic)),
      timer: setInterval(() => void this.sweep(), sweepMs).unref(),
    };
  }

  stop(): void {
    if (!this.running) return;
    this.running.unsubscribe();
    clearInterval(this.running.timer);
    this.running = null;
  }

  /** Whether this process has heard that the key is revoked; false means little. */
  has(keyId: string): boolean {
    return this.revoked.has(keyId);
  }

  /**
   * Calls `listener` with every key that is revoked, and again at each sweep for a day, for sockets that were about to
   * open when the word came.
   * @returns ends it
   */
  onRevoked(listener: (keyId: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private onTopic(topic: string): void {
    if (topic === everyTopic) void this.sweep();
    else if (topic.startsWith(topicPrefix)) this.markRevoked(topic.slice(topicPrefix.length));
  }

  /** Words may have been lost: the database knows them all. */
  private async sweep(): Promise<void> {
    try {
      const rows = await this.deps.sql.rows<{ id: string }>(
        `SELECT id FROM api_keys WHERE revoked_at > now() - interval '${lookBack}'`,
      );
      for (const { id } of rows) this.markRevoked(id);
    } catch (error) {
      this.deps.logger.debug({ err: error }, 'revoked keys could not be read; they are read again');
    }
  }

  private markRevoked(keyId: string): void {
    this.revoked.set(keyId, true);
    for (const listener of this.listeners) listener(keyId);
  }
}
