import { Client } from '../support/client';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    ...{ AUTH: 'keys', QUOTA_TRAININGS_PER_DAY: '2', QUOTA_AVATARS_PER_DAY: '10' },
  });
});

afterAll(() => gateway.stop());

/** Creates a key on the command line. */
async function keyFor(owner: string, ...options: string[]): Promise<string> {
  const environment = { DATABASE_URL: gateway.database.url, DATA_DIR: gateway.dataDir };
  const { code, out, remarks } = await likeness(environment, 'keys', 'create', '--owner', owner, ...options);
  if (code !== 0) throw new Error(remarks);
  return out.trim();
}

const who = { query: '{ viewer { owner } }' };

describe('deleteMyData with an API key', () => {
  it('keeps the key, which belongs to the operator, so that the request can be repeated', async () => {
    const anna = Client.with(gateway, 'anna-by-key', await keyFor('anna-by-key', '--name', 'annas phone'));
    await anna.upload(1);
    expect((await anna.erase()).counts.photos).toBe(1);
    expect((await anna.erase()).counts.photos).toBe(0);
    expect(await gateway.database.tablesWith('anna-by-key')).toContain('api_keys');
  });

  it('revokes the keys of the owner on request, and closes their sockets', async () => {
    const bert = Client.with(gateway, 'bert-by-key', await keyFor('bert-by-key', '--name', 'berts phone'));
    const second = Client.with(gateway, 'bert-by-key', await keyFor('bert-by-key'));
    const socket = await second.connect();
    const { receipt } = await bert.erase(true);
    expect(receipt).toEqual(expect.any(String));
    expect(await socket.end()).toMatchObject({ code: 4403 });
    for (const person of [bert, second]) {
      expect((await person.execute('HTTP', who)).errors).toMatchObject([
        { extensions: { code: 'UNAUTHENTICATED' } },
      ]);
    }
    expect(await gateway.database.tablesWith('bert')).toEqual(['erasures']);
  });

  it('erases only the user that a key acts for, and never the key', async () => {
    const key = await keyFor('shop', '--on-behalf');
    const asUser = (user: string): Promise<Response> =>
      fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${key}`,
          'x-likeness-owner': user,
        },
        body: JSON.stringify({
          query:
            'mutation { deleteMyData(input: { confirm: "DELETE", revokeKeys: true }) { erasure { counts { photos } } } }',
        }),
      });
    const photo = `INSERT INTO photos (id, owner, status) VALUES (gen_random_uuid(), $1, 'AWAITING_UPLOAD')`;
    for (const owner of ['shop', '@shop/carl', '@shop/dora']) await gateway.rows(photo, [owner]);
    const answer = await asUser('carl');
    expect(await answer.json()).toEqual({ data: { deleteMyData: { erasure: { counts: { photos: 1 } } } } });
    const left = await gateway.rows(`SELECT owner FROM photos WHERE owner LIKE '%shop%' ORDER BY owner`);
    expect(left).toEqual([{ owner: '@shop/dora' }, { owner: 'shop' }]);
    expect((await asUser('dora')).status).toBe(200);
  });

  it("keeps today's quota after erasure", async () => {
    const emma = Client.with(gateway, 'emma', await keyFor('emma'));
    const photoIds = await emma.upload(5);
    const { id: modelId } = await emma.train({ photoIds });
    await emma.becomes('model', modelId, 'READY');
    await emma.erase();
    const sums = `SELECT trainings, avatars, job_id = id AS is_sum FROM quota_reservations WHERE owner = 'emma'`;
    expect(await gateway.rows(sums)).toEqual([{ trainings: 1, avatars: 0, is_sum: true }]);

    await emma.settle();
    const more = await emma.upload(5);
    const { errors } = await emma.execute('HTTP', {
      query: 'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }',
      variables: { input: { type: 'CAT', photoIds: more } },
    });
    expect(errors).toMatchObject([{ extensions: { code: 'QUOTA_EXCEEDED', used: 2 } }]);
    await emma.erase();
    const left = await gateway.rows<{ trainings: number }>(`${sums} ORDER BY trainings, avatars`);
    expect(left.reduce((sum, { trainings }) => sum + trainings, 0)).toBe(2);
    expect(left).toEqual(left.map((row) => ({ ...row, is_sum: true })));
  });

  it('removes the name from the audit log, and records the erasure there', async () => {
    const finn = Client.with(gateway, 'finn-of-the-log', await keyFor('finn-of-the-log'));
    const [photoId] = await finn.upload(1);
    await finn.request('mutation ($id: ID!) { deletePhoto(input: { id: $id }) { deletedId } }', {
      id: photoId,
    });
    const { receipt } = await finn.erase();
    const log = await gateway.rows<Record<string, unknown>>(
      `SELECT owner, action, subject FROM audit_log WHERE owner = '@/erased' ORDER BY id DESC LIMIT 1`,
    );
    expect(log).toEqual([{ owner: '@/erased', action: 'deleteMyData', subject: receipt }]);
    await until(async () => !(await gateway.database.tablesWith('finn-of-the-log')).includes('audit_log'));
  });
});
