import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { createManyRows, enlargeAvatars } from '../support/many-rows';
import { until } from '../support/until';

let gateway: TestGateway;

beforeAll(async () => {
  const settings = { ...jwtSettings, MIN_TRANSFER_RATE: '64kB', TRANSFER_GRACE: '2s' };
  gateway = await TestGateway.start(settings);
});

afterAll(() => gateway.stop());

const pictureBytes = 20_000_000;

/** A person with 12 large pictures, and the URL of an archive of them. */
async function rich(name: string): Promise<{ person: Client; url: string }> {
  const person = await Client.of(gateway, name);
  await createManyRows(gateway, name, { generations: 1, avatarsEach: 12, photos: 0, eventsEach: 1 });
  await enlargeAvatars(gateway, name, pictureBytes);
  const { downloadAvatars } = await person.request<{ downloadAvatars: { url: string } }>(
    'mutation { downloadAvatars(input: { select: { filter: {} } }) { url } }',
  );
  return { person, url: downloadAvatars.url };
}

/** A client that reads the first bytes and then stops reading. */
async function stall(url: string): Promise<IncomingMessage> {
  const [response] = (await once(request(url, { agent: false }).end(), 'response')) as [IncomingMessage];
  response.pause();
  return response;
}

describe('an archive of avatars', () => {
  it('ends with an error when the data are erased during the download, and its URL stops working', async () => {
    const { person, url } = await rich('dora');
    const response = await stall(url);
    const ended = once(response, 'error');
    await person.erase();
    response.resume();
    expect(await ended).toMatchObject([{ code: 'ECONNRESET' }]);
    expect((await fetch(url)).status).toBe(404);
    expect(await gateway.rows(`SELECT 1 FROM avatar_downloads WHERE owner = 'dora'`)).toEqual([]);
  });

  it('is aborted when its client stops reading, and can be downloaded once at a time', async () => {
    const { url } = await rich('emil');
    const response = await stall(url);
    expect((await fetch(url)).status).toBe(503);
    await until(async () => {
      const again = await fetch(url);
      await again.body!.cancel();
      return again.status === 200;
    });
    const ended = once(response, 'error');
    response.resume();
    expect(await ended).toMatchObject([{ code: 'ECONNRESET' }]);
  });
});
