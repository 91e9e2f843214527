import { readGlobalId } from '../../src/core/ids';
import { Client } from './client';
import { TestGateway } from './gateway';
import { StatementWatch } from './statements';

/** A gateway without workers, so that every change is one of the test, with a READY model and its generation. */
export class SettledGateway {
  private constructor(
    readonly gateway: TestGateway,
    readonly client: Client,
    readonly watch: StatementWatch,
    readonly settled: { modelId: string; generationId: string; photoIds: string[] },
  ) {}

  static async start(): Promise<SettledGateway> {
    const settings: Record<string, string> = {};
    let watch: StatementWatch | undefined;
    const gateway = await TestGateway.start(settings, async (url) => {
      watch = await StatementWatch.start(url);
      return watch.url;
    });
    const client = new Client(() => gateway.url);
    const settled = await client.settle();
    settings.ROLE = 'api';
    await gateway.restart();
    return new SettledGateway(gateway, client, watch!, settled);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.watch.stop();
  }

  /** A new model that stays QUEUED. */
  async waiting(): Promise<string> {
    return (await this.client.train({ photoIds: this.settled.photoIds })).id;
  }

  rename(id: string, name: string): Promise<unknown> {
    const mutation =
      'mutation ($id: ID!, $name: String!) { renameModel(input: { id: $id, name: $name }) { model { id } } }';
    return this.client.request(mutation, { id, name });
  }

  /** A failure takes long to produce, so it is written to the database. */
  async fail(table: 'models' | 'generations', id: string, isRetryable = true): Promise<void> {
    await this.gateway.rows(
      `UPDATE ${table} SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_FAILED',
         failure_message = 'It failed.', failure_retryable = $2 WHERE id = $1`,
      [uuidOf(id), isRetryable],
    );
  }
}

/** The UUID of a global id. */
export const uuidOf = (id: string): string => readGlobalId(id)!.id;
