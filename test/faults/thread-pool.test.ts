import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { media, rowId } from '../support/faults-audit';
import { eventually } from '../support/faults-client';
import { FaultsHouse } from '../support/faults-house';

jest.setTimeout(120_000);

/** More than the image workshop's, which uses a thread for each core, and than libuv's default pool, which has four. */
const slowReads = availableParallelism() + 4;

let house: FaultsHouse;

beforeAll(async () => {
  house = await FaultsHouse.open();
});

afterAll(() => house.close());

describe('a process of which more reads hang than libuv has threads by default', () => {
  it('serves other pictures and stores uploads', async () => {
    const [slowId, quickId] = await house.client.upload(2);
    const urlOf = async (id: string): Promise<string> => {
      const query = 'query ($id: ID!) { photo(id: $id) { url } }';
      return (await house.client.ask<{ photo: { url: string } }>(query, { id })).photo.url;
    };
    const [slowUrl, quickUrl] = [await urlOf(slowId!), await urlOf(quickId!)];
    // Opening a pipe that has no writer occupies a thread of the pool until there is one.
    const [, path] = [...(await media(house))].find(([key]) => key.includes(rowId(slowId!)))!;
    await rm(path);
    await promisify(execFile)('mkfifo', [path]);
    const slow = Array.from({ length: slowReads }, () => fetch(slowUrl).catch(() => null));
    await eventually(
      'the slow reads',
      () => house.gateway.threadsOpeningFiles(),
      (count) => count >= 4,
    );
    expect((await fetch(quickUrl, { signal: AbortSignal.timeout(30_000) })).status).toBe(200);
    expect(await house.client.upload(1)).toHaveLength(1);
    await house.gateway.kill();
    expect(await Promise.all(slow)).toEqual(slow.map(() => null));
  });
});
