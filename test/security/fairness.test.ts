import { createServer, type Server } from 'node:http';
import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { listening, stopped } from '../support/servers';
import { until } from '../support/until';

const train = 'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id status } } }';

describe('photos from URLs that hang', () => {
  let gateway: TestGateway;
  let host: Server;
  let base: string;
  let hanging = 0;

  beforeAll(async () => {
    const photo = await facePhoto(1, { width: 640 });
    host = createServer((request, response) => {
      if (!request.url!.startsWith('/hangs/')) return void response.writeHead(200).end(photo);
      hanging += 1;
      response.on('close', () => (hanging -= 1));
    });
    base = `http://127.0.0.1:${await listening(host)}`;
    gateway = await TestGateway.start({ ...jwtSettings, PHOTO_URL_ALLOW: '127.0.0.1' });
  });
  afterAll(async () => {
    await gateway.stop();
    await stopped(host);
  });

  const trainFrom = async (person: Client, folder: string, count: number): Promise<string> => {
    const photoUrls = Array.from({ length: count }, (_, index) => `${base}/${folder}/${index}.jpg`);
    const input = { name: 'Me', type: 'WOMAN', photoUrls };
    const { trainModel } = await person.request<{ trainModel: { model: { id: string } } }>(train, {
      input,
    });
    return trainModel.model.id;
  };

  const status = async (person: Client, id: string): Promise<string> =>
    (
      await person.request<{ model: { status: string } }>('query ($id: ID!) { model(id: $id) { status } }', {
        id,
      })
    ).model.status;

  it.each([
    ['one owner', ['alice', 'alice']],
    ['two owners', ['carol', 'dave']],
  ])('of two trainings of %s do not delay the training of another owner', async (_, names) => {
    const slow = await Promise.all(names.map((name) => Client.of(gateway, name)));
    const before = hanging;
    const models = await Promise.all(
      slow.map((person, index) => trainFrom(person, `hangs/${names[0]}/${index}`, 30)),
    );
    await until(() => hanging > before);
    const bob = await Client.of(gateway, `bob of ${names[0]}`);
    const bobs = await trainFrom(bob, `quick/${names[0]}`, 30);
    await until(async () => (await status(bob, bobs)) === 'READY', 25_000);
    // None of the hanging photos has ended, so the limit is still in use.
    expect(hanging).toBeGreaterThan(before);
    expect(await Promise.all(models.map((id, index) => status(slow[index]!, id)))).toEqual([
      'QUEUED',
      'QUEUED',
    ]);
  });
});
