import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { Client as DatabaseClient } from 'pg';
import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { createManyRows, enlargeAvatars } from '../support/many-rows';
import { until } from '../support/until';

let gateway: TestGateway;

beforeAll(async () => {
  const settings = { ...jwtSettings, MIN_TRANSFER_RATE: '64kB', TRANSFER_GRACE: '2s', MAX_EXPORTS: '2' };
  gateway = await TestGateway.start(settings);
});

afterAll(() => gateway.stop());

const pictureBytes = 20_000_000;

/** A person with 12 large pictures, and the URL of an archive of them. */
async function rich(name: string, variant = ''): Promise<{ person: Client; url: string }> {
  const person = await Client.of(gateway, name);
  await createManyRows(gateway, name, { generations: 1, avatarsEach: 12, photos: 0, eventsEach: 1 });
  await enlargeAvatars(gateway, name, pictureBytes);
  const { downloadAvatars } = await person.request<{ downloadAvatars: { url: string } }>(
    `mutation { downloadAvatars(input: { select: { filter: {} }${variant} }) { url } }`,
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

  describe('of converted pictures', () => {
    let session: DatabaseClient;

    beforeEach(async () => {
      session = new DatabaseClient(gateway.databaseUrl);
      await session.connect();
      await session.query('BEGIN');
      // No conversion begins.
      await session.query('LOCK TABLE avatar_renditions IN ACCESS EXCLUSIVE MODE');
    });

    afterEach(async () => {
      await session.query('ROLLBACK');
      await session.end();
    });

    const offer = async (name: string, variant: string): Promise<string> => {
      const person = await Client.of(gateway, name);
      await createManyRows(gateway, name, { generations: 1, avatarsEach: 3, photos: 0, eventsEach: 1 });
      await enlargeAvatars(gateway, name, 1_000);
      const { downloadAvatars } = await person.request<{ downloadAvatars: { url: string } }>(
        `mutation { downloadAvatars(input: { select: { filter: {} }, ${variant} }) { url } }`,
      );
      return downloadAvatars.url;
    };

    it('leaves its slot at once when its client disconnects while a picture is converted', async () => {
      const url = await offer('frida', 'size: PX_128, format: WEBP');
      for (let times = 0; times < 2; times += 1) {
        let response: IncomingMessage | undefined;
        await until(async () => {
          response = await stall(url);
          if (response.statusCode !== 200) response.destroy();
          return response.statusCode === 200;
        }, 5_000);
        response!.destroy();
      }
    });

    it('uses at most half of the slots, so that archives of originals can be downloaded', async () => {
      const [first, second, original] = await Promise.all([
        offer('gerd', 'size: PX_128, format: WEBP'),
        offer('hans', 'size: PX_128, format: WEBP'),
        offer('ines', 'size: ORIGINAL'),
      ]);
      const response = await stall(first);
      expect(response.statusCode).toBe(200);
      const refused = await stall(second);
      expect(refused.statusCode).toBe(503);
      refused.destroy();
      expect((await (await fetch(original)).arrayBuffer()).byteLength).toBeGreaterThan(3_000);
      response.destroy();
    });
  });

  it('of converted pictures gives up its slot when its client stops reading', async () => {
    const variant = ', size: PX_128, format: WEBP';
    const [slow, other] = [(await rich('jana', variant)).url, (await rich('kurt', variant)).url];
    const response = await stall(slow);
    expect(response.statusCode).toBe(200);
    // It has the only slot of converted pictures.
    await until(async () => {
      const again = await fetch(other);
      await again.body!.cancel();
      return again.status === 200;
    });
    const ended = once(response, 'error');
    response.resume();
    expect(await ended).toMatchObject([{ code: 'ECONNRESET' }]);
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
