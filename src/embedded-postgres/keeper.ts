import type { Logger } from '../core/logger';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres';
import { isTaken } from './process';

/** The interval between checks of the server, in milliseconds. */
const lookMs = 500;

/** Restarts an embedded server that has died. */
export class EmbeddedKeeper {
  private timer: NodeJS.Timeout | undefined;
  private restarting: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  private constructor(
    private readonly dir: string,
    private readonly logger: Logger,
    private server: EmbeddedPostgres,
  ) {
    this.timer = setInterval(() => {
      this.look();
    }, lookMs);
    this.timer.unref();
  }

  /**
   * Starts the server, or attaches to the one that uses the folder, and keeps it running.
   * @param signal - aborts the start; has no effect afterwards
   */
  static async start(dir: string, logger: Logger, signal: AbortSignal): Promise<EmbeddedKeeper> {
    return new EmbeddedKeeper(dir, logger, await startEmbeddedPostgres({ dir, durable: true, signal }));
  }

  /** The same after restarts: the server uses its previous port again. */
  get url(): string {
    return this.server.url;
  }

  /** Ends this process's use of the server; the last user stops the server. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    await this.restarting;
    await this.server.stop();
  }

  private look(): void {
    if (this.restarting || isTaken(this.server.pid)) return;
    this.logger.error({ pid: this.server.pid }, 'the embedded PostgreSQL has died; restarting');
    this.restarting = this.restart().finally(() => {
      this.restarting = undefined;
    });
  }

  private async restart(): Promise<void> {
    const { url } = this.server;
    try {
      this.server = await startEmbeddedPostgres({
        dir: this.dir,
        durable: true,
        signal: this.stopping.signal,
      });
      if (this.server.url === url) return;
      this.logger.fatal('the embedded PostgreSQL could not use its previous port; restart Likeness');
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.logger.error({ err: error }, 'the embedded PostgreSQL could not be restarted yet');
    }
  }
}
