import { utimes } from 'node:fs/promises';
import type { FailpointName } from '../../src/core/failpoint';
import { EnvironmentPool } from '../support/environment-pool';
import { findViolations, rowId } from '../support/faults-audit';
import type { Crash, FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, order } from '../support/faults-jobs';
import { media } from '../support/faults-pictures';
import { eventually, within } from '../support/until';

jest.setTimeout(300_000);

/** The deleted resource, the point of the crash, and the killed processes. */
interface Cell {
  what: 'deleteModel' | 'deleteGeneration' | 'deleteAvatar' | 'deletePhoto';
  point: FailpointName;
  crash: Crash;
}

const points: FailpointName[] = ['delete:marked', 'delete:bytes-gone'];
/** Both are killed at the most complex one only: what is left is found at the next start, as after either. */
const crashesOf = (what: Cell['what']): Crash[] =>
  what === 'deleteModel' ? ['gateway', 'postgres', 'both'] : ['gateway', 'postgres'];
const cells = (['deleteModel', 'deleteGeneration', 'deleteAvatar', 'deletePhoto'] as const).flatMap((what) =>
  points.flatMap((point) => crashesOf(what).map((crash): Cell => ({ what, point, crash }))),
);

/** Creates the resource, and returns the keys of its files. */
async function make(
  environment: FaultsEnvironment,
  what: Cell['what'],
): Promise<{ id: string; keys: string[] }> {
  const { client } = environment;
  if (what === 'deletePhoto') {
    const [id] = await client.upload(1);
    return { id: id!, keys: [`photos/${rowId(id!)}.jpg`] };
  }
  const { modelId, generationId, photoIds } = await makeModel(environment);
  const avatars = await client.avatars(generationId);
  const keysOf = (ids: string[]): string[] =>
    ids.flatMap((id) => [`avatars/${rowId(id)}.picture`, `avatars/${rowId(id)}.preview.jpg`]);
  const all = keysOf(avatars.map(({ id }) => id));
  if (what === 'deleteAvatar') return { id: avatars[0]!.id, keys: keysOf([avatars[0]!.id]) };
  if (what === 'deleteGeneration') return { id: generationId, keys: all };
  return { id: modelId, keys: [...all, ...photoIds.map((id) => `photos/${rowId(id)}.jpg`)] };
}

/** A model with its own photos and two avatars, which also have a picture in another size. */
async function makeModel({ client }: FaultsEnvironment): Promise<{
  modelId: string;
  generationId: string;
  photoIds: string[];
}> {
  const photoIds = await client.upload(5);
  const { id: modelId } = await client.train({ photoIds });
  await eventually(
    'a model',
    () => client.model(modelId),
    (model) => model?.status === 'READY',
  );
  const { id: generationId } = await client.generate(modelId, [{ count: 2 }]);
  await eventually(
    'its avatars',
    () => client.generation(generationId),
    (generation) => generation?.status === 'COMPLETED',
  );
  const query = 'query ($id: ID!) { generation(id: $id) { avatars { url(size: PX_128) } } }';
  const { generation } = await client.request<{ generation: { avatars: { url: string }[] } }>(query, {
    id: generationId,
  });
  for (const { url } of generation.avatars) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`The picture in another size is not made: ${response.status}.`);
    await response.arrayBuffer();
  }
  return { modelId, generationId, photoIds };
}

async function deleteAndCrash(environment: FaultsEnvironment, { what, point, crash }: Cell): Promise<void> {
  await prepareFixtures(environment);
  const { id, keys } = await make(environment, what);
  const { reached } = await environment.gateway.arm(point);
  const deletion = environment.client.delete(what, id).catch(() => undefined);
  await within(`${what} at ${point}`, reached);
  if (crash !== 'postgres') await environment.gateway.kill();
  if (crash !== 'gateway') await environment.crashPostgres();
  if (crash === 'postgres') environment.gateway.release();
  if (crash !== 'gateway') await environment.startPostgres();
  if (crash !== 'postgres') await environment.restartGateway();
  await deletion;
  // A client without a response repeats the deletion, which succeeds.
  await eventually(
    'an answer',
    async () => {
      await environment.client.delete(what, id);
      return true;
    },
    () => true,
  );
  // Ends the lease of the killed process.
  await environment.rows('UPDATE media_deletions SET due_at = now()');
  await eventually(
    'the end of all bytes',
    () => media(environment),
    (files) => keys.every((key) => !files.has(key)),
  );
  const found = await findViolations(environment, { hasDeleted: true });
  if (found.length > 0) throw new Error(found.join('\n'));
}

describe('a crash during a deletion', () => {
  const pool = new EnvironmentPool(cells, deleteAndCrash);

  beforeAll(() => {
    pool.start(4, { ownPostgres: true });
  });

  afterAll(() => pool.close());

  it.each(cells)('$what, $point, $crash killed: leaves no row and no file', async (cell) => {
    await expect(pool.result(cell)).resolves.toBeUndefined();
  });
});

describe('files without a database row', () => {
  const cell = { name: 'orphans' };
  const pool = new EnvironmentPool([cell], async (environment) => {
    await prepareFixtures(environment);
    // The file is stored but the row is not yet; the row is deleted, and the storing process is killed.
    const { reached } = await environment.gateway.arm('result:stored');
    const { id } = await order(environment, 'generation');
    await within('the bytes', reached);
    await environment.gateway.kill();
    const before = await media(environment);
    await environment.rows('DELETE FROM generations WHERE id = $1', [rowId(id)]);
    await environment.rows('DELETE FROM events WHERE subject_id = $1', [rowId(id)]);
    for (const file of before.values()) await utimes(file, new Date(0), new Date(0));
    await environment.restartGateway();
    await eventually(
      'the sweep',
      () => media(environment),
      (files) => [...files.keys()].filter((key) => key.startsWith('avatars/')).length === 0,
    );
    const kept = [...(await media(environment)).keys()];
    if (kept.length !== 5) throw new Error(`The photos are not what they were: ${kept.join()}`);
    const next = await order(environment, 'training');
    await ending(environment, 'training', next.id);
  });

  beforeAll(() => {
    pool.start(1, {});
  });

  afterAll(() => pool.close());

  it('are deleted after the minimum age, and no other files are', async () => {
    await expect(pool.result(cell)).resolves.toBeUndefined();
  });
});
