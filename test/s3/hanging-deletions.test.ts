import { createServer, request } from 'node:http';
import { uuidOf } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { S3Server } from '../support/s3-server';
import { listening, stopped } from '../support/servers';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

const bucket = 'hanging-deletions';

describe('a deletion that the bucket does not answer', () => {
  let server: S3Server;
  let environment: FaultsEnvironment;
  /** The UUIDs of objects whose deletion is not answered, or the check of it. */
  const hanging = new Set<string>();
  let hangingMethod = 'DELETE';
  /** Whether no request is answered. */
  let isSilent = false;
  let unanswered = 0;
  const proxy = createServer((incoming, response) => {
    const { method, url = '', headers } = incoming;
    if (isSilent || (method === hangingMethod && [...hanging].some((id) => url.includes(id)))) {
      unanswered += 1;
      return void incoming.resume();
    }
    const options = { method, headers: { ...headers, connection: 'close' }, agent: false };
    // Swift sends a body after HEAD, which ends with an error.
    const outgoing = request(new URL(url, server.url), options, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.headersSent || response.destroy());
    incoming.pipe(outgoing);
  });

  beforeAll(async () => {
    server = await S3Server.start();
    const S3_ENDPOINT = `http://127.0.0.1:${await listening(proxy)}`;
    environment = await FaultsEnvironment.open({
      settings: { ...server.settings(bucket), S3_ENDPOINT },
    });
  });

  afterAll(async () => {
    await environment.stop();
    await stopped(proxy);
    await server.stop();
  });

  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const key of server.store(bucket).list('', 0)) found.push(key);
    return found;
  };

  it('delays no answer beyond its time limit, and is repeated and logged at growing intervals', async () => {
    const { client, gateway } = environment;
    const [photo, other] = await client.upload(2);
    hanging.add(uuidOf(photo!));
    expect(await client.delete('deletePhoto', photo!)).toBe(photo);
    const failed = (): Promise<unknown[]> =>
      Promise.resolve(gateway.said(/^bytes could not be deleted; retrying$/).map(({ tries }) => tries));
    await eventually('the third failure', failed, (tries) => tries.length > 2);
    expect(await failed()).toEqual([1, 2, 3]);

    await client.delete('deletePhoto', other!);
    expect(await keys()).toEqual([expect.stringContaining(uuidOf(photo!))]);
    hanging.clear();
    await eventually('the deletion', keys, (found) => found.length === 0);
    const pending = (): Promise<unknown[]> => environment.rows('SELECT FROM media_deletions');
    await eventually('that no deletion is pending', pending, (rows) => rows.length === 0);
    expect((await failed()).slice(3).every((tries) => Number(tries) > 3)).toBe(true);
  });

  it('delays no answer either if the bucket does not answer the check of it', async () => {
    const { client } = environment;
    const [photo] = await client.upload(1);
    hangingMethod = 'HEAD';
    hanging.add(uuidOf(photo!));
    expect(await client.delete('deletePhoto', photo!)).toBe(photo);
    expect(await keys()).toEqual([]);
    hanging.clear();
  });

  it('is answered in time while the bucket answers nothing, and delays no other operation of its owner', async () => {
    const { client } = environment;
    // More than the operations that are executed at once.
    const photos = await client.upload(20);
    isSilent = true;
    unanswered = 0;
    let isAnswered = false;
    const deletions = Promise.all(photos.map((photo) => client.delete('deletePhoto', photo)));
    deletions.then(
      () => (isAnswered = true),
      () => (isAnswered = true),
    );
    await until(() => unanswered > 0);
    await client.slots(1);
    expect(isAnswered).toBe(false);
    expect(await deletions).toEqual(photos);
    isSilent = false;
    await eventually('the deletions', keys, (found) => found.length === 0);
  });
});
