import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { complaints, statesOf } from '../support/faults-audit';
import { eventually, isOver } from '../support/faults-client';
import { FaultsHouse } from '../support/faults-house';
import { ending, furnish, look, order } from '../support/faults-jobs';

jest.setTimeout(180_000);

let house: FaultsHouse;

afterEach(() => house.close());

/**
 * Takes a folder away and lays a file in its place: whoever writes there gets an error, root too, for whom no folder
 * is read-only.
 * @returns gives it back
 */
async function takeAway(folder: string): Promise<() => Promise<void>> {
  await rename(folder, `${folder}.away`);
  await writeFile(folder, '');
  return async () => {
    await rename(folder, `${folder}.file`);
    await rename(`${folder}.away`, folder);
  };
}

describe('a journal that cannot be written', () => {
  it('does not cost an id: it stays in memory until the database has it, and nothing else is paid meanwhile', async () => {
    house = await FaultsHouse.open({ ownPostgres: true });
    await furnish(house);
    // A limit on the size of what the process writes is a full disk to it, also if it is root.
    await house.gateway.limitFiles(0);
    const { reached } = await house.gateway.arm('submission:answered');
    const before = await house.paid();
    const training = await order(house, 'training');
    await reached;
    await house.crashPostgres();
    house.gateway.release();
    await eventually(
      'that the journal cannot be written',
      async () => house.gateway.said(/journal cannot be written/, 'error'),
      (lines) => lines.length > 0,
    );
    await house.startPostgres();
    await house.gateway.limitFiles(null);
    expect(await ending(house, 'training', training.id)).toMatchObject({ status: 'READY', attempt: 1 });
    expect((await house.paid()) - before).toBe(1);
    expect(await complaints(house)).toEqual([]);
  });
});

describe('a store that takes nothing', () => {
  it('makes finished pictures wait, and they are stored when it does again', async () => {
    house = await FaultsHouse.open();
    await furnish(house);
    const giveBack = await takeAway(house.mediaDir);
    const { id } = await order(house, 'generation');
    await eventually(
      'a picture that could not be stored',
      async () => house.gateway.said(/could not be stored yet/, 'warn'),
      (lines) => lines.length > 0,
    );
    expect(isOver(await look(house, 'generation', id))).toBe(false);
    expect((await fetch(`${house.gateway.url}/readyz`)).status).toBe(503);
    await giveBack();
    expect(await ending(house, 'generation', id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect(await complaints(house)).toEqual([]);
  });

  it('refuses photos meanwhile, with a code that says to come again', async () => {
    house = await FaultsHouse.open();
    await furnish(house);
    const giveBack = await takeAway(house.mediaDir);
    await expect(house.client.upload(1)).rejects.toThrow('503');
    await giveBack();
    expect(await house.client.upload(1)).toHaveLength(1);
  });

  it('keeps no half picture when the disk is full in the middle of it', async () => {
    house = await FaultsHouse.open();
    await furnish(house);
    await house.gateway.limitFiles(4_096);
    const { id } = await order(house, 'generation');
    await eventually(
      'a picture that could not be stored',
      async () => house.gateway.said(/could not be stored yet/, 'warn'),
      (lines) => lines.length > 0,
    );
    expect(await house.client.avatars(id)).toEqual([]);
    expect(await readdir(join(house.mediaDir, 'avatars')).catch(() => [])).toEqual([]);
    await house.gateway.limitFiles(null);
    expect(await ending(house, 'generation', id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect(await statesOf(house, id)).not.toContain('UNCERTAIN');
    expect(await complaints(house)).toEqual([]);
  });
});
