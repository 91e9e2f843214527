import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { createManyRows } from '../support/many-rows';
import { until } from '../support/until';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
});

afterAll(() => gateway.stop());

const names = async (): Promise<string[]> =>
  (await gateway.rows<{ name: string }>('SELECT name FROM avatar_renditions')).map(({ name }) => name);

it('deletes a model at once, and the rest of its renditions afterwards', async () => {
  const ann = await Client.of(gateway, 'ann');
  const size = { generations: 7, avatarsEach: 1_000, photos: 0, eventsEach: 0 };
  const [kept, deleted] = [
    await createManyRows(gateway, 'ann', size),
    await createManyRows(gateway, 'ann', size),
  ];
  await gateway.rows(
    `INSERT INTO avatar_renditions (id, avatar_id, name, byte_size, sha256)
     SELECT gen_random_uuid(), id, CASE WHEN model_id = $1 THEN 'kept' ELSE 'deleted' END, 1, 'x' FROM avatars`,
    [kept],
  );
  await ann.delete('deleteModel', `model_${deleted.replaceAll('-', '')}`);
  expect((await names()).filter((name) => name === 'deleted')).toHaveLength(2_000);
  await gateway.restart();
  await until(async () => !(await names()).includes('deleted'));
  expect(await names()).toHaveLength(7_000);
});
