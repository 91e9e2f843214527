import { createHash } from 'node:crypto';
import { jwtSettings, Client, uuidOf } from '../support/client';
import type { Settings } from '../support/environment';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

interface PhotoRow {
  status: string;
  filename: string | null;
  source_url: string | null;
  source_sha256: string | null;
}

/** A gateway with one person on it. */
class Home {
  private constructor(
    readonly gateway: TestGateway,
    readonly anna: Client,
  ) {}

  static async open(settings: Settings): Promise<Home> {
    const gateway = await TestGateway.start({ ...jwtSettings, ...settings });
    return new Home(gateway, await Client.of(gateway, 'anna'));
  }

  /** The file names of photos, without directories. */
  async photoFiles(): Promise<string[]> {
    return (await this.gateway.mediaFiles()).filter((name) => /^[0-9a-f-]{36}\.jpg$/.test(name));
  }

  photos(): Promise<PhotoRow[]> {
    return this.gateway.rows('SELECT status, filename, source_url, source_sha256 FROM photos');
  }

  /** Waits until the given number of photos is purged, including their personal data. */
  async expectPurged(count: number): Promise<void> {
    const empty = { status: 'PURGED', filename: null, source_url: null, source_sha256: null };
    await until(async () => (await this.photos()).every(({ status }) => status === 'PURGED'));
    await until(async () => (await this.photoFiles()).length === 0);
    const wrong = (await this.photos()).filter((row) => JSON.stringify(row) !== JSON.stringify(empty));
    if (wrong.length > 0) throw new Error(`Something was kept: ${JSON.stringify(wrong)}`);
    const { length } = await this.photos();
    if (length !== count) throw new Error(`There are ${length} photos and not ${count}.`);
  }
}

describe('photos', () => {
  describe('with PHOTO_RETENTION=0', () => {
    let home: Home;
    beforeAll(async () => {
      home = await Home.open({ PHOTO_RETENTION: '0' });
    });
    afterAll(() => home.gateway.stop());

    it('are deleted within seconds after their job is done, failed or cancelled', async () => {
      const { anna, gateway } = home;
      await gateway.sandbox.fault({ on: 'train', kind: 'failed' });
      const { id: failed } = await anna.train({ photoIds: await anna.upload(5) });
      await anna.becomes('model', failed, 'FAILED');
      const { id: cancelled } = await anna.train({ photoIds: await anna.upload(5) });
      await anna.request('mutation ($id: ID!) { cancelModel(input: { id: $id }) { model { id } } }', {
        id: cancelled,
      });
      const { id: ready } = await anna.train({ photoIds: await anna.upload(5) });
      await anna.becomes('model', ready, 'READY');
      const [photoId] = await anna.upload(1);
      const { generateInstantAvatars } = await anna.request<{
        generateInstantAvatars: { generation: { id: string } };
      }>(
        'mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { id } } }',
        { input: { photoId, prompt: 'as an astronaut' } },
      );
      const { id } = generateInstantAvatars.generation;
      await anna.becomes('generation', id, 'COMPLETED');

      await home.expectPurged(16);

      // The model is not affected; the row of a photo is deleted with its last reference.
      const { id: more } = await anna.generate(ready, [{ count: 1 }]);
      await anna.becomes('generation', more, 'COMPLETED');
      await anna.request('mutation ($id: ID!) { deleteGeneration(input: { id: $id }) { deletedId } }', {
        id,
      });
      await until(async () => (await home.photos()).length === 15);
      expect(await gateway.database.tablesWith('as an astronaut')).toEqual([]);
    });
  });

  describe('with a retention', () => {
    let home: Home;
    beforeAll(async () => {
      home = await Home.open({ PHOTO_RETENTION: '3s', EVIDENCE_RETENTION: '1d' });
    });
    afterAll(() => home.gateway.stop());

    it('are deleted after the retention period and not earlier', async () => {
      const { anna } = home;
      const { id: modelId } = await anna.train({ photoIds: await anna.upload(5) });
      await anna.becomes('model', modelId, 'READY');
      expect(await home.photoFiles()).toHaveLength(5);
      const [kept] = await home.gateway.rows<{ seconds: number }>(
        `SELECT extract(epoch FROM min(p.purge_at) - max(m.ready_at))::float8 AS seconds FROM photos p, models m`,
      );
      expect(kept!.seconds).toBeCloseTo(3, 0);
      await home.expectPurged(5);
    });

    it('are deleted with their files before deletePhoto responds', async () => {
      const { anna } = home;
      const [photoId] = await anna.upload(1);
      expect(await home.photoFiles()).toHaveLength(1);
      await anna.request('mutation ($id: ID!) { deletePhoto(input: { id: $id }) { deletedId } }', {
        id: photoId,
      });
      expect(await home.photoFiles()).toEqual([]);
    });

    it('that are rejected are never stored', async () => {
      const { anna, gateway } = home;
      const before = await gateway.mediaFiles();
      const [slot] = await anna.slots([{ filename: 'not-a-face.jpg', byteSize: 1_000_000 }]);
      const answer = await fetch(slot!.uploadUrl, { method: 'PUT', body: 'this is no picture' });
      expect(answer.status).toBe(415);
      expect(await gateway.mediaFiles()).toEqual(before);
    });

    it('leave nothing in stored idempotency keys, evidence and archives', async () => {
      const { anna, gateway } = home;
      const old = `now() - interval '3 days'`;
      const { id: modelId } = await anna.train({
        photoIds: await anna.upload(5),
        idempotencyKey: 'an-old-key',
      });
      await anna.becomes('model', modelId, 'READY');
      await anna.request('mutation { exportMyData { url } }');
      await gateway.rows(`UPDATE idempotency_keys SET created_at = ${old}`);
      await gateway.rows(`UPDATE exports SET expires_at = ${old}`);
      await gateway.rows(`UPDATE submissions SET evidence = 'quotes a prompt', called_at = ${old}`);
      // Rare cleanup runs at the start and every minute.
      await gateway.restart();
      for (const word of ['an-old-key', 'quotes a prompt']) {
        await until(async () => (await gateway.database.tablesWith(word)).length === 0);
      }
      await until(async () => (await gateway.rows('SELECT 1 FROM exports')).length === 0);
      const [paid] = await gateway.rows<{ outcome: string }>('SELECT outcome FROM submissions LIMIT 1');
      expect(paid!.outcome).toBe('ACCEPTED');
    });

    it('keep the time of their deletion in photosDeletedAt when another model of theirs is deleted', async () => {
      const { anna, gateway } = home;
      const photoIds = await anna.upload(5);
      const models = [(await anna.train({ photoIds })).id, (await anna.train({ photoIds })).id];
      for (const id of models) await anna.becomes('model', id, 'READY');
      const rowsOf = (): Promise<{ status: string; purge_at: Date | null }[]> =>
        gateway.rows('SELECT status, purge_at FROM photos WHERE id = ANY($1)', [photoIds.map(uuidOf)]);
      const isPurged = async (): Promise<boolean> =>
        (await rowsOf()).every(({ status, purge_at }) => status === 'PURGED' && purge_at === null);
      const deletedAt = async (): Promise<unknown> =>
        anna.request('query ($id: ID!) { model(id: $id) { photosDeletedAt } }', { id: models[0]! });
      await until(isPurged);
      const before = await deletedAt();
      expect(before).toEqual({ model: { photosDeletedAt: expect.any(String) as string } });
      await anna.delete('deleteModel', models[1]!);
      // The rows are due again, and are kept because of the first model.
      await until(isPurged);
      expect(await deletedAt()).toEqual(before);
    }, 60_000);
  });
});

describe('data deleted by its owner', () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.open({});
  });
  afterAll(() => home.gateway.stop());

  const remove = (mutation: string, id: string): Promise<unknown> =>
    home.anna.request(`mutation ($id: ID!) { ${mutation}(input: { id: $id }) { deletedId } }`, { id });

  it.each(['deleteModel', 'deleteGeneration', 'deleteAvatar'])(
    'is gone within a minute, including its events: %s',
    async (mutation) => {
      const { anna, gateway } = home;
      const prompt = `${mutation} by ${createHash('sha256').update(mutation).digest('hex').slice(0, 8)}`;
      const { modelId, generationId } = await anna.settle(prompt, 1);
      const { generation } = await anna.request<{
        generation: { avatars: { id: string; url: string }[] };
      }>('query ($id: ID!) { generation(id: $id) { avatars { id url } } }', { id: generationId });
      const { id, url } = generation.avatars[0]!;
      const ids: Record<string, string> = {
        deleteModel: modelId,
        deleteGeneration: generationId,
        deleteAvatar: id,
      };
      const uuid = id.split('_')[1]!.slice(-12);
      expect((await gateway.mediaFiles()).filter((name) => name.includes(uuid))).toHaveLength(2);

      await remove(mutation, ids[mutation]!);

      expect((await fetch(url)).status).toBe(404);
      await until(async () => !(await gateway.mediaFiles()).some((name) => name.includes(uuid)));
      // The generation of a deleted avatar still exists, with its request.
      const left = mutation === 'deleteAvatar' ? ['events', 'generations'] : [];
      expect(await gateway.database.tablesWith(prompt)).toEqual(left);
    },
  );
});
