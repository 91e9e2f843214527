import { serverAudits } from 'graphql-http';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';

/**
 * The one MAY that is not supported: a GET without a header that proves intent. A page of another site can
 * have a browser send such a request.
 */
const declined = ['5A70'];

describe('GraphQL over HTTP', () => {
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await startTinyGateway();
  });
  afterAll(() => gateway.stop());

  const audits = serverAudits({ url: () => `${gateway.url}/graphql` });
  it.each(audits.map(({ id, name, fn }) => [id, name, fn] as const))('%s %s', async (id, name, audit) => {
    const { status } = await audit();
    const expected = declined.includes(id) && name.startsWith('MAY') ? 'notice' : 'ok';
    expect(status).toBe(expected);
  });
});
