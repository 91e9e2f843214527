import { WebSocket } from 'ws';
import { jwtSecret, jwtSettings } from './client';
import { TestGateway } from './gateway';
import { signed } from './issuer';
import { countLockWaits } from './lock-waits';
import { ReadRows } from './read-rows';
import { rowsAt } from './test-server';
import { until } from './until';

const settings = {
  ...jwtSettings,
  ROLE: 'api',
  SIGNING_SECRETS: 'a secret of the tests of planned reads',
  RATE_LIMIT_OWNER: 'off',
};

/** Asks two gateways on one database: one plans reads, the other leaves them to the resolvers. */
export class ReadComparison {
  private readonly tokens = new Map<string, string>();

  private constructor(
    private readonly planned: TestGateway,
    private readonly resolved: TestGateway,
    readonly rows: ReadRows,
  ) {}

  /** With random rows of `alice` and `bob`, and an owner `erased`, whose data are being erased. */
  static async start(seed: number): Promise<ReadComparison> {
    const planned = await TestGateway.start(settings, { watchesStatements: true, prepare: fixTime });
    const resolved = await planned.startAnother({ PLANNED_READS: 'false' });
    const database = await planned.database.session();
    const rows = new ReadRows(database, seed);
    for (const owner of ['alice', 'bob']) await rows.add(owner);
    await rows.addUsable('alice');
    await database.query(`INSERT INTO erasures (id, owner) VALUES (gen_random_uuid(), 'erased')`);
    return new ReadComparison(planned, resolved, rows);
  }

  stop(): Promise<void> {
    return this.planned.stop();
  }

  /** Asks both gateways. Returns both answers with their status, and the statements of the planned one. */
  async compare(
    operation: object,
    owner = 'alice',
    scope?: string,
  ): Promise<{ planned: string; resolved: string; statements: string[] }> {
    const token = await this.tokenOf(owner, scope);
    let planned = '';
    const statements = await this.planned.watch.during(
      async () => (planned = await ask(this.planned, operation, token)),
    );
    return { planned, resolved: await ask(this.resolved, operation, token), statements };
  }

  /** Sends a request of `alice` to both gateways. Returns status, headers and text of both responses. */
  async responses(path: string, init: RequestInit): Promise<{ planned: unknown; resolved: unknown }> {
    const token = await this.tokenOf('alice');
    const send = async ({ url }: TestGateway): Promise<unknown> => {
      const headers = { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) };
      const response = await fetch(`${url}${path}`, { ...init, headers });
      // Two headers differ between any two requests.
      const received = [...response.headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
      return { status: response.status, headers: received, text: await response.text() };
    };
    return { planned: await send(this.planned), resolved: await send(this.resolved) };
  }

  /** The response of the gateway that plans reads, over HTTP, and the message with it over WebSocket. */
  async overSocket(operation: object): Promise<{ response: string; message: string }> {
    const token = await this.tokenOf('alice');
    const response = await fetch(`${this.planned.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(operation),
    });
    const socket = new WebSocket(`${this.planned.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const message = await new Promise<string>((resolve, reject) => {
      const payload = { Authorization: `Bearer ${token}` };
      socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload })));
      socket.on('message', (data: Buffer) => {
        const text = data.toString();
        if (text.includes('"connection_ack"'))
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: operation }));
        else resolve(text);
      });
      socket.on('error', reject);
    });
    socket.terminate();
    return { response: (await response.text()).trim(), message };
  }

  /** Asks the gateway that plans reads, and closes its connections while the database works on the answer. */
  async interrupted(operation: object): Promise<string> {
    const blocker = await this.planned.database.session();
    await blocker.query('BEGIN; LOCK TABLE models');
    const answer = ask(this.planned, operation, await this.tokenOf('alice'));
    await until(async () => (await countLockWaits(this.planned)) > 0);
    await this.planned.watch.disconnect();
    await blocker.query('ROLLBACK');
    return answer;
  }

  private async tokenOf(owner: string, scope?: string): Promise<string> {
    const claims = { subject: owner, endsInSeconds: 900, claims: { scope } };
    const token = this.tokens.get(owner) ?? (await signed(jwtSecret, claims));
    this.tokens.set(owner, token);
    return token;
  }

  /** The outcomes that are counted during `work`. */
  async outcomes(work: () => Promise<unknown>): Promise<string[]> {
    const before = await this.counts();
    await work();
    const after = await this.counts();
    return [...after.keys()].filter((outcome) => after.get(outcome) !== (before.get(outcome) ?? 0));
  }

  private async counts(): Promise<Map<string, number>> {
    const text = await (await fetch(`${this.planned.url}/metrics`)).text();
    const matches = text.matchAll(/^likeness_reads_total\{outcome="(\w+)"\} (\d+)$/gm);
    return new Map([...matches].map(([, outcome, count]) => [outcome!, Number(count)]));
  }
}

/** Replaces the time of statements, on which progress and estimates depend. */
async function fixTime(databaseUrl: string): Promise<void> {
  await rowsAt(
    databaseUrl,
    `CREATE FUNCTION public.statement_timestamp() RETURNS timestamptz LANGUAGE sql IMMUTABLE
       RETURN timestamptz '2026-01-07 00:00:00Z'`,
  );
  await rowsAt(
    databaseUrl,
    `DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END$$`,
  );
}

async function ask(gateway: TestGateway, operation: object, token: string): Promise<string> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(operation),
  });
  const text = (await response.text()).replaceAll(gateway.url, '');
  // URLs of photos expire an hour after the request.
  return `${response.status} ${text.replace(/(photo_\w+\.jpg)\?expires=\d+&signature=[\w-]+/g, '$1')}`;
}
