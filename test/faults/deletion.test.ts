import { utimes } from 'node:fs/promises';
import type { FailpointName } from '../../src/core/failpoint';
import { complaints, media, rowId } from '../support/faults-audit';
import { eventually, within } from '../support/faults-client';
import type { Crash, FaultsHouse } from '../support/faults-house';
import { ending, furnish, order } from '../support/faults-jobs';
import { Lanes } from '../support/faults-lanes';

jest.setTimeout(300_000);

/** What is deleted, where it is killed, and what. */
interface Cell {
  what: 'deleteModel' | 'deleteGeneration' | 'deleteAvatar' | 'deletePhoto';
  point: FailpointName;
  crash: Crash;
}

const points: FailpointName[] = ['delete:marked', 'delete:bytes-gone'];
const crashes: Crash[] = ['gateway', 'postgres', 'both'];
const cells = (['deleteModel', 'deleteGeneration', 'deleteAvatar', 'deletePhoto'] as const).flatMap((what) =>
  points.flatMap((point) => crashes.map((crash): Cell => ({ what, point, crash }))),
);

/** Makes what is to be deleted, and says under which keys its bytes lie. */
async function make(house: FaultsHouse, what: Cell['what']): Promise<{ id: string; keys: string[] }> {
  const { client } = house;
  if (what === 'deletePhoto') {
    const [id] = await client.upload(1);
    return { id: id!, keys: [`photos/${rowId(id!)}.jpg`] };
  }
  const { modelId, generationId, photoIds } = await makeModel(house);
  const avatars = await client.avatars(generationId);
  const keysOf = (ids: string[]): string[] =>
    ids.flatMap((id) => [`avatars/${rowId(id)}.picture`, `avatars/${rowId(id)}.preview.jpg`]);
  const all = keysOf(avatars.map(({ id }) => id));
  if (what === 'deleteAvatar') return { id: avatars[0]!.id, keys: keysOf([avatars[0]!.id]) };
  if (what === 'deleteGeneration') return { id: generationId, keys: all };
  return { id: modelId, keys: [...all, ...photoIds.map((id) => `photos/${rowId(id)}.jpg`)] };
}

/** A model with photos of its own and two avatars. */
async function makeModel({ client }: FaultsHouse): Promise<{
  modelId: string;
  generationId: string;
  photoIds: string[];
}> {
  const photoIds = await client.upload(5);
  const { id: modelId } = await client.train(photoIds);
  await eventually(
    'a model',
    () => client.model(modelId),
    (model) => model?.status === 'READY',
  );
  const { id: generationId } = await client.generate(modelId, 2);
  await eventually(
    'its avatars',
    () => client.generation(generationId),
    (generation) => generation?.status === 'COMPLETED',
  );
  return { modelId, generationId, photoIds };
}

async function deleteAndCrash(house: FaultsHouse, { what, point, crash }: Cell): Promise<void> {
  await furnish(house);
  const { id, keys } = await make(house, what);
  const { reached } = await house.gateway.arm(point);
  const deletion = house.client.delete(what, id).catch(() => undefined);
  await within(`${what} at ${point}`, reached);
  if (crash !== 'postgres') await house.gateway.kill();
  if (crash !== 'gateway') await house.crashPostgres();
  if (crash === 'postgres') house.gateway.release();
  if (crash !== 'gateway') await house.startPostgres();
  if (crash !== 'postgres') await house.restartGateway();
  await deletion;
  // Whoever heard nothing deletes again; that is no error.
  await eventually(
    'an answer',
    async () => {
      await house.client.delete(what, id);
      return true;
    },
    () => true,
  );
  // Whoever had them in hand has them for a while; that while is over now.
  await house.rows('UPDATE doomed_media SET due_at = now()');
  await eventually(
    'the end of all bytes',
    () => media(house),
    (files) => keys.every((key) => !files.has(key)),
  );
  const found = await complaints(house, { hasDeleted: true });
  if (found.length > 0) throw new Error(found.join('\n'));
}

describe('a crash while something is deleted', () => {
  const lanes = new Lanes(cells, deleteAndCrash);

  beforeAll(() => {
    lanes.start(4, { ownPostgres: true });
  });

  afterAll(() => lanes.close());

  it.each(cells)('$what, $point, $crash killed: nothing is left', async (cell) => {
    await expect(lanes.result(cell)).resolves.toBeUndefined();
  });
});

describe('bytes that no row knows', () => {
  const cell = { name: 'orphans' };
  const lanes = new Lanes([cell], async (house) => {
    await furnish(house);
    // The bytes are there, the row not yet; then the row goes, and whoever stored the bytes is dead.
    const { reached } = await house.gateway.arm('result:stored');
    const { id } = await order(house, 'generation');
    await within('the bytes', reached);
    await house.gateway.kill();
    const before = await media(house);
    await house.rows('DELETE FROM generations WHERE id = $1', [rowId(id)]);
    await house.rows('DELETE FROM events WHERE subject_id = $1', [rowId(id)]);
    for (const file of before.values()) await utimes(file, new Date(0), new Date(0));
    await house.restartGateway();
    await eventually(
      'the sweep',
      () => media(house),
      (files) => [...files.keys()].filter((key) => key.startsWith('avatars/')).length === 0,
    );
    const kept = [...(await media(house)).keys()];
    if (kept.length !== 5) throw new Error(`The photos are not what they were: ${kept.join()}`);
    const next = await order(house, 'training');
    await ending(house, 'training', next.id);
  });

  beforeAll(() => {
    lanes.start(1, {});
  });

  afterAll(() => lanes.close());

  it('are found by their age and deleted, and nothing else is', async () => {
    await expect(lanes.result(cell)).resolves.toBeUndefined();
  });
});
