import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { rowId } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { media } from '../support/faults-pictures';
import { eventually } from '../support/until';

jest.setTimeout(120_000);

/** More than the image processor's pool, which uses a thread for each core, and than libuv's default pool, which has four. */
const slowReads = availableParallelism() + 4;

let environment: FaultsEnvironment;

beforeAll(async () => {
  environment = await FaultsEnvironment.open();
});

afterAll(() => environment.stop());

describe('a process with more hanging reads than default libuv threads', () => {
  it('serves other pictures and stores uploads', async () => {
    const [slowId, quickId] = await environment.client.upload(2);
    const urlOf = async (id: string): Promise<string> => {
      const query = 'query ($id: ID!) { photo(id: $id) { url } }';
      return (await environment.client.request<{ photo: { url: string } }>(query, { id })).photo.url;
    };
    const [slowUrl, quickUrl] = [await urlOf(slowId!), await urlOf(quickId!)];
    // Opening a pipe without a writer occupies a thread of the pool until there is one.
    const [, path] = [...(await media(environment))].find(([key]) => key.includes(rowId(slowId!)))!;
    await rm(path);
    await promisify(execFile)('mkfifo', [path]);
    const slow = Array.from({ length: slowReads }, () => fetch(slowUrl).catch(() => null));
    await eventually(
      'the slow reads',
      () => environment.gateway.threadsOpeningFiles(),
      (count) => count >= 4,
    );
    expect((await fetch(quickUrl, { signal: AbortSignal.timeout(30_000) })).status).toBe(200);
    expect(await environment.client.upload(1)).toHaveLength(1);
    await environment.gateway.kill();
    expect(await Promise.all(slow)).toEqual(slow.map(() => null));
  });
});
