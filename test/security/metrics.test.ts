import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

const listedQuery = 'query Models { models { nodes { id } } }';

/** The samples of a scrape, by name and labels as they are written. */
async function scrape(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  if (process.env.SHOW) console.log(text.slice(0, 3000), text.length);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

const sumOf = (samples: ReadonlyMap<string, number>, start: string): number =>
  [...samples].reduce((sum, [name, value]) => (name.startsWith(start) ? sum + value : sum), 0);

describe('the metrics', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    const list = join(process.env.TMPDIR ?? '/tmp', `listed-queries-${process.pid}.json`);
    const hash = createHash('sha256').update(listedQuery).digest('hex');
    writeFileSync(list, JSON.stringify({ [hash]: listedQuery }));
    gateway = await TestGateway.start({ METRICS_PORT: '0', PERSISTED_QUERIES: list });
  });
  afterAll(() => gateway.stop());

  it('count operations by name of the operator’s list, root field and code', async () => {
    await gateway.client.execute('HTTP', { query: listedQuery });
    await gateway.client.execute('SSE', { query: '{ a: viewer { owner } b: viewer { owner } }' });
    await gateway.client.execute('WebSocket', { query: '{ viewer { owner } models { nodes { id } } }' });
    await gateway.client.execute('HTTP', { query: '{ model(id: "x") { id } }' });
    await gateway.client.execute('HTTP', { query: '{ unknown }' });
    const samples = await scrape(gateway.metricsUrl);
    const counted = [...samples].filter(([name]) => name.startsWith('likeness_operations_total'));
    expect(Object.fromEntries(counted)).toEqual({
      'likeness_operations_total{operation="Models",type="query",field="models",code="OK"}': 1,
      'likeness_operations_total{operation="other",type="query",field="viewer",code="OK"}': 1,
      'likeness_operations_total{operation="other",type="query",field="several",code="OK"}': 1,
      'likeness_operations_total{operation="other",type="query",field="model",code="NOT_FOUND"}': 1,
      'likeness_operations_total{operation="other",type="unknown",field="none",code="GRAPHQL_VALIDATION_FAILED"}': 1,
    });
  });
});
