import type { Client as Session } from 'pg';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { createManyRows } from '../support/many-rows';

let gateway: TestGateway;
let client: Client;
let database: Session;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api', QUOTA_RUNNING: '9' }, { watchesStatements: true });
  client = new Client(() => gateway.url);
  database = await gateway.database.session();
  await createManyRows(gateway, 'local', { generations: 5_000, avatarsEach: 1, photos: 1, eventsEach: 0 });
  await database.query(
    `INSERT INTO models (id, owner, provider, name, type, photo_count, status, attempt, provider_ref, due_at, ready_at)
     SELECT gen_random_uuid(), 'local', 'sandbox', 'Ann', 'CAT', 5, status, 1, gen_random_uuid(), due_at, ready_at
       FROM (SELECT 'READY' AS status, NULL::timestamptz AS due_at, now() AS ready_at FROM generate_series(1, 5000)
             UNION ALL SELECT 'UNCERTAIN', now() + interval '1 day', NULL FROM generate_series(1, 3)) AS rows`,
  );
  await database.query(
    `INSERT INTO submissions (id, provider, account, model_id, attempt, outcome, called_at)
     SELECT gen_random_uuid(), 'sandbox', 'account', id, 1, 'UNKNOWN', now() FROM models WHERE attempt = 1`,
  );
  await database.query('VACUUM ANALYZE');
});

afterAll(() => gateway.stop());

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  Plans?: Plan[];
}

const tables = new Set(['models', 'generations', 'avatars', 'submissions']);

/** The large tables that a statement reads completely. */
async function fullScans(text: string): Promise<string[]> {
  const parameters = ['local', null].filter((_, index) => text.includes(`$${index + 1}`));
  const { rows } = await database.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (FORMAT JSON) ${text}`,
    parameters,
  );
  const scans = (plan: Plan): string[] => [
    ...(plan['Node Type'] === 'Seq Scan' ? [plan['Relation Name']!] : []),
    ...(plan.Plans ?? []).flatMap(scans),
  ];
  return scans(rows[0]!['QUERY PLAN'][0].Plan).filter((table) => tables.has(table));
}

const readers: [string, number, () => Promise<unknown>][] = [
  [
    'operator',
    3,
    () =>
      client.request('{ operator { jobs { kind status count } lagSeconds uncertain { jobId } nextExpiry } }'),
  ],
  ['/metrics', 2, async () => (await fetch(`${gateway.url}/metrics`)).text()],
  ['viewer.usage', 1, () => client.request('{ viewer { usage { running } } }')],
];

describe('numbers of jobs', () => {
  it.each(readers)('are read by %s without a scan of finished rows', async (_name, count, read) => {
    const statements = await gateway.watch.during(read);
    const reads = statements.filter((text) => /FROM (models|generations|avatars|submissions)\b/.test(text));
    expect(reads).toHaveLength(count);
    for (const text of reads) expect({ text, scans: await fullScans(text) }).toEqual({ text, scans: [] });
  });

  it('contain unfinished jobs only', async () => {
    const { operator } = await client.request<{ operator: { jobs: object[] } }>(
      '{ operator { jobs { kind status count } } }',
    );
    expect(operator.jobs).toEqual([{ kind: 'model', status: 'UNCERTAIN', count: 3 }]);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics.match(/^likeness_jobs\{.*$/gm)).toEqual([
      'likeness_jobs{kind="model",status="UNCERTAIN"} 3',
    ]);
  });
});

describe('the operator’s view', () => {
  it('has a delay of a month in seconds, and the deprecated lagMs at its maximum', async () => {
    await database.query(`UPDATE models SET due_at = now() - interval '30 days' WHERE status = 'UNCERTAIN'`);
    const { operator } = await client.request<{ operator: { lagSeconds: number; lagMs: number } }>(
      '{ operator { lagSeconds lagMs } }',
    );
    expect(operator.lagSeconds).toBeGreaterThanOrEqual(2_592_000);
    expect(operator.lagSeconds).toBeLessThan(2_600_000);
    expect(operator.lagMs).toBe(2_147_483_647);
  });

  it('has the uncertain job by its global id, and the job itself only for its owner', async () => {
    const query = '{ operator { uncertain { id jobId job { id } } } }';
    const uncertain = async (): Promise<{ id: string; jobId: string; job: { id: string } | null }> =>
      (await client.request<{ operator: { uncertain: Awaited<ReturnType<typeof uncertain>> } }>(query))
        .operator.uncertain;
    const own = await uncertain();
    expect(own.jobId).toMatch(/^model_/);
    expect(own).toEqual({ id: own.jobId, jobId: own.jobId, job: { id: own.jobId } });
    await database.query(`UPDATE models SET owner = 'ann' WHERE status = 'UNCERTAIN'`);
    expect((await uncertain()).job).toBeNull();
  });
});
