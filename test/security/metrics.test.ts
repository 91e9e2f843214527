import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { newDataDir } from '../support/environment';
import { TestGateway } from '../support/gateway';
import { eventually } from '../support/until';

const listedQuery = 'query Models { models { nodes { id } } }';

type Samples = ReadonlyMap<string, number>;

/** The samples of a scrape, by name and labels as they are written. */
async function scrape(url: string): Promise<Samples> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

const those = (samples: Samples, start: string): Record<string, number> =>
  Object.fromEntries([...samples].filter(([name]) => name.startsWith(start)));

describe('the metrics', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    const list = join(await newDataDir(), 'queries.json');
    const hash = createHash('sha256').update(listedQuery).digest('hex');
    await writeFile(list, JSON.stringify({ [hash]: listedQuery }));
    const settings = { METRICS_PORT: '0', PERSISTED_QUERIES: list, LOG_LEVEL: 'info' };
    gateway = await TestGateway.start(settings, { watchesStatements: true });
  });
  afterAll(() => gateway.stop());
  const samples = (): Promise<Samples> => scrape(gateway.metricsUrl);

  it('count operations by name of the operator’s list, type, root field and code', async () => {
    await gateway.client.execute('HTTP', { query: listedQuery });
    await gateway.client.execute('SSE', { query: '{ a: viewer { owner } b: viewer { owner } }' });
    await gateway.client.execute('WebSocket', { query: '{ viewer { owner } models { nodes { id } } }' });
    await gateway.client.execute('HTTP', {
      query: 'mutation { cancelModel(input: { id: "x" }) { model { id } } }',
    });
    await gateway.client.execute('HTTP', { query: '{ unknown }' });
    const label = (operation: string, type: string, field: string, code: string): string =>
      `likeness_operations_total{operation="${operation}",type="${type}",field="${field}",code="${code}"}`;
    expect(those(await samples(), 'likeness_operations_total')).toEqual({
      [label('Models', 'query', 'models', 'OK')]: 1,
      [label('other', 'query', 'viewer', 'OK')]: 1,
      [label('other', 'query', 'several', 'OK')]: 1,
      [label('other', 'mutation', 'cancelModel', 'NOT_FOUND')]: 1,
      [label('other', 'unknown', 'none', 'GRAPHQL_VALIDATION_FAILED')]: 1,
    });
  });

  it('have no more lines after hostile operation names, methods, paths and aliases', async () => {
    const send = (number: number): Promise<unknown> =>
      Promise.all([
        gateway.client.execute('HTTP', { query: `query Models${number} { x${number}: viewer { owner } }` }),
        gateway.client.execute('HTTP', { query: `query Models { x${number}: viewer { owner } }` }),
        gateway.client.execute('HTTP', { query: `{ field${number} }` }),
        fetch(`${gateway.url}/path-${number}`),
        fetch(`${gateway.url}/graphql`, { method: `M${number}` }).catch(() => undefined),
      ]);
    await send(1);
    await samples();
    const names = async (): Promise<string[]> =>
      [...(await samples()).keys()].filter((name) => name.startsWith('likeness_'));
    const before = await names();
    for (let number = 2; number < 20; number += 1) await send(number);
    expect(await names()).toEqual(before);
    expect(before.filter((name) => name.includes('Models1'))).toEqual([]);
  });

  it('count requests by pattern of the path, and state the version', async () => {
    await fetch(`${gateway.url}/media/photos/unknown.jpg`);
    const found = await samples();
    const route = 'method="GET",route="/media/photos/:file",status="403"';
    expect(found.get(`likeness_http_requests_total{${route}}`)).toBe(1);
    expect(those(found, 'likeness_build_info')).toEqual({
      [`likeness_build_info{version="0.1.0",node_version="${process.version}"}`]: 1,
    });
    expect(found.get('likeness_database_connections_max')).toBe(10);
  });

  it('count calls of the avatar service, paid calls and decoded pictures', async () => {
    await gateway.client.trained(await gateway.client.upload(5));
    const found = await samples();
    expect(found.get('likeness_submissions_total{kind="model",outcome="OK"}')).toBe(1);
    expect(found.get('likeness_upstream_calls_total{call="train",outcome="OK"}')).toBe(1);
    expect(found.get('likeness_upstream_call_duration_seconds_count{call="train"}')).toBe(1);
    const decoded = 'likeness_decoding_duration_seconds_count{work="photo",outcome="ok"}';
    expect(found.get(decoded)).toBe(5);
  });

  it('count open subscriptions, and what they were sent', async () => {
    const modelId = await gateway.client.trained(await gateway.client.upload(5));
    const query = encodeURIComponent('subscription { activity { cursor } }');
    const stream = await fetch(`${gateway.url}/graphql/stream?query=${query}`, {
      headers: { accept: 'text/event-stream' },
    });
    const open = 'likeness_subscriptions{transport="sse"}';
    await eventually('the subscription', samples, (now) => now.get(open) === 1);
    await gateway.client.request(
      'mutation ($id: ID!) { renameModel(input: { id: $id, name: "B" }) { model { id } } }',
      { id: modelId },
    );
    const sent = 'likeness_events_sent_total{transport="sse"}';
    await eventually('the event', samples, (now) => now.get(sent)! > 0);
    await stream.body!.cancel();
    const end = await eventually('the end', samples, (now) => now.get(open) === 0);
    expect(end.get(sent)).toBeGreaterThan(0);
  });

  it('need the token of METRICS_TOKEN where it is set, from any address', async () => {
    const token = 'a-token-of-the-collector';
    const guarded = await TestGateway.start({ METRICS_TOKEN: token, LOG_LEVEL: 'info' });
    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${guarded.url}/metrics`, { headers: { 'x-forwarded-for': '203.0.113.7', ...headers } });
    try {
      for (const authorization of ['', 'Bearer', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`]) {
        const refused = await ask({ authorization });
        expect([authorization, refused.status]).toEqual([authorization, 401]);
        expect(await refused.text()).not.toContain('likeness_build_info');
      }
      // A direct request of the same machine, too.
      expect((await fetch(`${guarded.url}/metrics`)).status).toBe(401);
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => ask({ authorization: `Bearer ${token}` })),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      for (const answer of answers) expect(await answer.text()).toContain('likeness_build_info');
    } finally {
      await guarded.stop();
    }
  });

  it('include all that the dashboard and the alert rules use', async () => {
    const text = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
    const exported = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!));
    const files = ['ops/prometheus/alerts.yml', 'ops/grafana/likeness.json'];
    const used = await Promise.all(files.map((file) => readFile(join(__dirname, '../..', file), 'utf8')));
    const names = [...used.join('\n').matchAll(/\b(?:likeness|nodejs|process)_[a-z0-9_]+/g)].map(([name]) =>
      name.replace(/_(?:bucket|count|sum)$/, ''),
    );
    expect(new Set(names).size).toBeGreaterThan(30);
    expect([...new Set(names)].filter((name) => !exported.has(name))).toEqual([]);
  });

  it('are served on the port of METRICS_PORT only, and not to pages of other sites', async () => {
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(404);
    const statusFor = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const request = get(`${gateway.metricsUrl}/metrics`, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        request.on('error', reject);
      });
    expect(await statusFor('rebound.example')).toBe(403);
    expect(await statusFor('localhost')).toBe(200);
  });

  it('move when the avatar service refuses the key, which is logged once, and again when it accepts it', async () => {
    let status = 401;
    const service = createServer((_, response) => response.writeHead(status).end('{"credits": 5}')).listen(0);
    await once(service, 'listening');
    const refused = await gateway.startAnother({
      UPSTREAM: 'picsart',
      PICSART_BASE_URL: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
      PICSART_API_KEY: 'not-the-key',
      ACCOUNT_PROBE_INTERVAL: '20ms',
    });
    try {
      const gauge = (now: Samples): number | undefined => now.get('likeness_upstream_key_refused');
      const refusals = 'likeness_upstream_calls_total{call="balance",outcome="UPSTREAM_AUTH"}';
      const now = (): Promise<Samples> => scrape(refused.metricsUrl);
      await eventually('repeated refusals', now, (found) => gauge(found) === 1 && found.get(refusals)! > 1);
      status = 404;
      let asked = 0;
      service.on('request', () => (asked += 1));
      await eventually(
        'checks without a balance',
        () => Promise.resolve(asked),
        (count) => count > 1,
      );
      expect(gauge(await now())).toBe(1);
      status = 402;
      await eventually('the end of the refusals', now, (found) => gauge(found) === 0);
      const lines = refused.log.filter(({ level }) => level === 'error');
      expect(lines.map(({ msg }) => msg)).toEqual(['the upstream refuses the key; check PICSART_API_KEY']);
      expect(JSON.stringify(refused.log)).not.toContain('not-the-key');
    } finally {
      await refused.end();
      service.close();
    }
  });

  it('are answered while the database does not, without its values', async () => {
    expect((await samples()).get('likeness_database_up')).toBe(1);
    expect((await samples()).get('likeness_work_lag_seconds')).toBeGreaterThanOrEqual(0);
    gateway.watch.silence();
    const down = await samples();
    expect(down.get('likeness_database_up')).toBe(0);
    const ofDatabase = [
      'likeness_work_lag_seconds',
      'likeness_jobs',
      'likeness_webhooks',
      'likeness_upstream_budget_calls',
    ];
    expect(ofDatabase.flatMap((name) => Object.keys(those(down, name)))).toEqual([]);
    expect(down.get('likeness_upstream_calls_total{call="train",outcome="OK"}')).toBe(2);
    await gateway.watch.disconnect();
    await eventually('the database', samples, (now) => now.get('likeness_database_up') === 1);
  });
});
