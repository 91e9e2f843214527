import { TestGateway } from '../support/gateway';
import { eventually } from '../support/until';

/** More than one statement deletes. */
const rowCount = 2_500;

describe('prunings', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await TestGateway.start();
    await gateway.end();
  });

  afterAll(() => gateway.stop());

  it('continue until nothing that is too old is left', async () => {
    await gateway.rows(
      `INSERT INTO avatar_renditions (id, avatar_id, name, byte_size, sha256, read_at)
       SELECT gen_random_uuid(), gen_random_uuid(), 'px_128.jpg', 1, '', now() - interval '1 year'
         FROM generate_series(1, $1::int) RETURNING 1`,
      [rowCount],
    );
    await gateway.begin();
    const left = await eventually(
      'the end of the pruning',
      () => gateway.rows('SELECT 1 FROM avatar_renditions LIMIT 1'),
      (rows) => rows.length === 0,
    );
    expect(left).toEqual([]);
  });
});
