import { type Client, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
beforeAll(async () => {
  gateway = await TestGateway.start();
  ({ client } = gateway);
});
afterAll(() => gateway.stop());

it('x', async () => {
  const settled = await client.settle();
  const q = '{ models { nodes { timeline { totalCount pageInfo { hasNextPage } edges { cursor node { occurredAt kind message attempt call { httpStatus durationMs correlationId } } } } } } generations { nodes { timeline { nodes { kind message attempt call { httpStatus durationMs correlationId } } } } } }';
  const data = await client.request(q, {});
  console.log(JSON.stringify(data, null, 1));
  console.log(JSON.stringify(await gateway.rows('select * from timeline_entries order by id', []), null, 0), uuidOf(settled.modelId));
});
