import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isOver } from '../support/client';
import { findViolations, statesOf } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, readJob, order } from '../support/faults-jobs';
import { eventually } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;

afterEach(() => environment.stop());

/**
 * Replaces a directory by a file: every write fails, also as root, for which no directory
 * is read-only.
 * @returns a function that restores the directory
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
  it('loses no id: the id stays in memory until the database has it, and no further paid call is made', async () => {
    environment = await FaultsEnvironment.open({ ownPostgres: true });
    await prepareFixtures(environment);
    const { reached } = await environment.gateway.arm('submission:answered');
    const before = await environment.paid();
    const training = await order(environment, 'training');
    await reached;
    // A limit on file sizes has the effect of a full disk, also for root.
    await environment.gateway.limitFiles(0);
    await environment.crashPostgres();
    environment.gateway.release();
    await eventually(
      'that the journal cannot be written',
      async () => environment.gateway.said(/journal cannot be written/, 'error'),
      (lines) => lines.length > 0,
    );
    await environment.startPostgres();
    await environment.gateway.limitFiles(null);
    expect(await ending(environment, 'training', training.id)).toMatchObject({ status: 'READY', attempt: 1 });
    expect((await environment.paid()) - before).toBe(1);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('delays paid calls until it has space for their ids, which is reported', async () => {
    environment = await FaultsEnvironment.open();
    await prepareFixtures(environment);
    const before = await environment.paid();
    const { gateway } = environment;
    const isWritable = (): Promise<number> => gateway.metric('likeness_journal_writable');
    expect(await isWritable()).toBe(1);
    // Writes to the journal fail, and small files can be written, such as those of the media store.
    const giveBack = await takeAway(environment.journalDir);
    const { id } = await order(environment, 'generation');
    await eventually(
      'that the journal cannot be written',
      async () => gateway.said(/^the journal cannot be written; no paid call is made/, 'error'),
      (lines) => lines.length > 0,
    );
    expect(await (await fetch(`${gateway.url}/readyz`)).json()).toMatchObject({
      status: 'unready',
      checks: { journal: 'failed', media: 'ok' },
    });
    expect(await isWritable()).toBe(0);
    expect(await environment.paid()).toBe(before);
    expect(await readJob(environment, 'generation', id)).toMatchObject({ status: 'QUEUED' });
    await giveBack();
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    expect((await environment.paid()) - before).toBe(1);
    expect(await findViolations(environment)).toEqual([]);
  });
});

describe('a media store that is unavailable', () => {
  it('delays finished pictures, and paid calls for which the upstream would fetch photos', async () => {
    environment = await FaultsEnvironment.open({ settings: { LOG_LEVEL: 'debug' } });
    await prepareFixtures(environment);
    const giveBack = await takeAway(environment.mediaDir);
    const training = await order(environment, 'training');
    const { id } = await order(environment, 'generation');
    await eventually(
      'a picture that could not be stored',
      async () => environment.gateway.said(/could not be stored yet/, 'debug'),
      (lines) => lines.length > 1,
    );
    expect(isOver(await readJob(environment, 'generation', id))).toBe(false);
    expect((await fetch(`${environment.gateway.url}/readyz`)).status).toBe(503);
    await eventually(
      'the reason of the training that waits',
      async () => environment.gateway.said(/^model is not submitted yet$/, 'warn'),
      (lines) => lines.length > 0,
    );
    expect(await readJob(environment, 'training', training.id)).toMatchObject({ status: 'QUEUED' });
    // Once, however often it was tried.
    expect(environment.gateway.said(/^pictures cannot be stored$/, 'warn')).toHaveLength(1);
    await giveBack();
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect(await ending(environment, 'training', training.id)).toMatchObject({ status: 'READY', attempt: 1 });
    // An end is logged by the first success after some seconds.
    await eventually(
      'the end of the outage',
      async () => {
        const next = await order(environment, 'generation');
        await ending(environment, 'generation', next.id);
        return environment.gateway.said(/^pictures can be stored again$/, 'info');
      },
      (lines) => lines.length === 1,
    );
    expect(environment.gateway.said(/^model is not submitted yet$/, 'warn')).toEqual([
      expect.objectContaining({
        id: training.id,
        reason: expect.stringMatching(/^photo_[0-9a-f]{32} cannot be read$/),
      }),
    ]);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('rejects photos with a retryable code', async () => {
    environment = await FaultsEnvironment.open();
    await prepareFixtures(environment);
    const giveBack = await takeAway(environment.mediaDir);
    await expect(environment.client.upload(1)).rejects.toThrow('503');
    await giveBack();
    expect(await environment.client.upload(1)).toHaveLength(1);
  });

  it('keeps no partial picture when the disk fills up during a write', async () => {
    environment = await FaultsEnvironment.open();
    await prepareFixtures(environment);
    await environment.gateway.limitFiles(1_024);
    const { id } = await order(environment, 'generation');
    await eventually(
      'a picture that could not be stored',
      async () => environment.gateway.said(/^pictures cannot be stored$/, 'warn'),
      (lines) => lines.length > 0,
    );
    expect(await environment.client.avatars(id)).toEqual([]);
    expect(await readdir(join(environment.mediaDir, 'avatars')).catch(() => [])).toEqual([]);
    await environment.gateway.limitFiles(null);
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect(await statesOf(environment, id)).not.toContain('UNCERTAIN');
    expect(await findViolations(environment)).toEqual([]);
  });
});
