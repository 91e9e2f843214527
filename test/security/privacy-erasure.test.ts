import { fromGlobalId, toGlobalId } from '../../src/core/ids';
import { jwtSettings, Client } from '../support/client';
import { finalCheck } from '../support/erasures';
import { TestGateway } from '../support/gateway';
import { createManyRows } from '../support/many-rows';
import type { Message } from '../support/raw-client';
import { until } from '../support/until';

const everything = `query ($m: ID!, $g: ID!, $p: ID!) {
  model(id: $m) { id } generation(id: $g) { id } photo(id: $p) { id } models { edges { cursor } } }`;
const training = 'subscription ($id: ID!) { trainingProgress(modelId: $id) { status } }';
const generating = 'subscription ($id: ID!) { generationProgress(generationId: $id) { status } }';
const collecting = 'subscription ($id: ID!) { avatarCompleted(select: { modelId: $id }) { cursor } }';
const following = 'subscription { activity { cursor } }';
const nothing = { photos: 0, models: 0, generations: 0, avatars: 0 };

let gateway: TestGateway;
let other: Client;
let untouched: { modelId: string; generationId: string };

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
  other = await Client.of(gateway, 'otto-the-other');
  untouched = await other.settle();
});

afterAll(() => gateway.stop());

interface StoredAvatar {
  id: string;
  url: string;
  preview: string;
}

async function avatarsOf(person: Client, generationId: string): Promise<StoredAvatar[]> {
  const { generation } = await person.request<{ generation: { avatars: StoredAvatar[] } }>(
    'query ($id: ID!) { generation(id: $id) { avatars { id url preview: url(size: PREVIEW) } } }',
    { id: generationId },
  );
  return generation.avatars;
}

/** The files of these global ids. */
async function filesOf(globalIds: readonly string[]): Promise<string[]> {
  const names = await gateway.mediaFiles();
  return names.filter((name) => globalIds.some((id) => name.startsWith(uuidIn(id)))).sort();
}

function uuidIn(globalId: string): string {
  return globalId.split('_')[1]!.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The final check by a process that knows no streams of owners. */
const earlierFinalCheck = 'UPDATE erasures SET owner = NULL, due_at = NULL WHERE id = $1';

describe('deleteMyData', () => {
  it('erases all data of a person, and keeps an anonymous receipt', async () => {
    const anna = await Client.of(gateway, 'anna-to-be-erased');
    const { modelId, generationId, photoIds } = await anna.settle('anna on a red bicycle', 3);
    await gateway.moveToLaterKey(photoIds[0]!);
    const avatars = await avatarsOf(anna, generationId);
    const ids = [...photoIds, ...avatars.map(({ id }) => id)];
    expect(await filesOf(ids)).toHaveLength(5 + 2 * 3);
    const others = (await avatarsOf(other, untouched.generationId)).map(({ id }) => id);

    const uuids = [fromGlobalId('AvatarModel', modelId), fromGlobalId('Generation', generationId)];
    const calls = await gateway.rows<{ ref: string; correlation: string }>(
      `SELECT provider_ref AS ref, correlation_id AS correlation FROM submissions
        WHERE coalesce(model_id, generation_id) = ANY($1)`,
      [uuids],
    );
    expect(calls).toHaveLength(2);

    const erased = await anna.erase();

    expect(erased.counts).toEqual({ photos: 5, models: 1, generations: 1, avatars: 3 });
    expect(erased.completedAt).not.toBeNull();
    expect(await anna.request(everything, { m: modelId, g: generationId, p: photoIds[0] })).toEqual({
      ...{ model: null, generation: null, photo: null },
      models: { edges: [] },
    });
    for (const { url, preview } of avatars) {
      expect([(await fetch(url)).status, (await fetch(preview)).status]).toEqual([404, 404]);
    }
    await until(async () => (await filesOf(ids)).length === 0);
    expect(await gateway.database.tablesWith('anna on a red bicycle')).toEqual([]);
    // The amounts of paid calls are kept, without any reference to the person, here or at the service.
    for (const { ref, correlation } of calls) {
      expect(await gateway.database.tablesWith(ref)).toEqual([]);
      expect(await gateway.database.tablesWith(correlation)).toEqual([]);
    }
    for (const uuid of uuids) expect(await gateway.database.tablesWith(uuid)).not.toContain('submissions');
    expect(
      await gateway.database
        .rows(`SELECT sum(trainings)::int AS trainings, sum(avatars)::int AS avatars FROM submissions
          WHERE model_id IS NULL AND generation_id IS NULL AND outcome = 'ACCEPTED'`),
    ).toEqual([{ trainings: 1, avatars: 3 }]);
    expect(await gateway.database.tablesWith('anna-to-be-erased')).toEqual(['erasures']);
    await finalCheck(gateway, erased.receipt);
    expect(await gateway.database.tablesWith('anna-to-be-erased')).toEqual([]);
    // The receipt is readable by other clients, and does not reveal its owner.
    const { receipt, counts } = erased;
    expect(await other.erasure(receipt)).toMatchObject({ receipt, counts });
    expect(await filesOf(others)).toHaveLength(2 * 2);
    expect(await avatarsOf(other, untouched.generationId)).toHaveLength(2);
  });

  it('does nothing without the confirmation word', async () => {
    const query =
      'mutation ($word: String!) { deleteMyData(input: { confirm: $word }) { erasure { receipt } } }';
    for (const word of ['', 'delete', 'yes', ' DELETE']) {
      const { errors } = await other.execute('HTTP', { query, variables: { word } });
      expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', field: 'input.confirm' } }]);
    }
    expect(await avatarsOf(other, untouched.generationId)).toHaveLength(2);
  });

  it('succeeds a second time, and for a person without data', async () => {
    const otherOwner = await Client.of(gateway, 'without-data');
    const first = await otherOwner.erase();
    const second = await otherOwner.erase();
    expect([first.counts, second.counts]).toEqual([nothing, nothing]);
    expect(second.receipt).not.toBe(first.receipt);
    expect(await otherOwner.erasure('00000000-0000-7000-8000-000000000000')).toBeNull();
    expect(await otherOwner.erasure(`' OR true --`)).toBeNull();
  });

  it('lets the person start again, and does not touch new data', async () => {
    const nora = await Client.of(gateway, 'nora');
    await nora.upload(1);
    const { receipt } = await nora.erase();
    const { modelId } = await nora.settle('after all');
    await gateway.rows(
      `INSERT INTO notices (id, owner, kind, message) VALUES (gen_random_uuid(), 'nora', 'SPENDING_LIMIT_NEAR', 'kept')`,
    );
    await finalCheck(gateway, receipt);
    expect(await gateway.database.tablesWith('kept')).toContain('notices');
    await nora.becomes('model', modelId, 'READY');
    expect(await gateway.database.tablesWith('after all')).not.toEqual([]);
  });

  it('erases late commits of requests admitted before it', async () => {
    const lars = await Client.of(gateway, 'lars-the-late');
    const { receipt } = await lars.erase();
    await gateway.rows(
      `INSERT INTO photos (id, owner, status, width, height, byte_size, created_at)
       SELECT gen_random_uuid(), 'lars-the-late', 'READY', 1, 1, 1, erased_at - interval '5 seconds'
         FROM erasures WHERE id = $1`,
      [receipt],
    );
    await finalCheck(gateway, receipt);
    expect((await lars.erasure(receipt))!.counts).toEqual({ ...nothing, photos: 1 });
    expect(await gateway.database.tablesWith('lars-the-late')).toEqual([]);
  });

  it('erases what a process of an earlier version leaves', async () => {
    const olga = await Client.of(gateway, 'olga-the-earlier');
    const { receipt } = await olga.erase();
    const stream = '00000000-0000-7000-8000-00000000e001';
    await gateway.rows(
      `INSERT INTO streams (id, owner, sequence, ended_at) VALUES ($1, '@/erased', 1, now())`,
      [stream],
    );
    await gateway.rows(
      `INSERT INTO events (stream_id, sequence, kind, subject_id, payload, owner)
       VALUES ($1, 1, 'DELETED', $1, '{"subject": "MODEL"}', 'olga-the-earlier')`,
      [stream],
    );
    await gateway.rows(
      `INSERT INTO owner_streams (id, owner, sequence, numbered_until, created_at)
       SELECT $2, 'olga-the-earlier', 1, pg_current_snapshot()::text, erased_at - interval '1 day' FROM erasures WHERE id = $1`,
      [receipt, stream],
    );
    await gateway.rows(
      'INSERT INTO owner_events (owner_stream_id, sequence, stream_id, stream_sequence, created_at) VALUES ($1, 1, $1, 1, now())',
      [stream],
    );
    const before = `(SELECT erased_at - interval '1 day' FROM erasures WHERE id = '${receipt}')`;
    const unknownThen = [
      `webhooks (id, owner, url, event_types, secret, owner_stream_id, position, status, created_at)
       VALUES (gen_random_uuid(), 'olga-the-earlier', 'https://olga.example', '{MODEL_READY}', '', '${stream}', 0, 'PAUSED', ${before})`,
      `webhook_deliveries (id, owner, webhook_id, number, stream_id, event_type, subject_id, body, status)
       VALUES (gen_random_uuid(), 'olga-the-earlier', gen_random_uuid(), 1, '${stream}', 'MODEL_READY', '', '', 'FAILED')`,
      `notices (id, owner, kind, message, created_at)
       VALUES (gen_random_uuid(), 'olga-the-earlier', 'WEBHOOK_DISABLED', '', ${before})`,
      `ledger_entries (id, reservation_id, owner, job_kind, job_id, attempt, kind, amount, currency, created_at)
       VALUES ('${stream}', '${stream}', 'olga-the-earlier', 'model', '${stream}', 1, 'RESERVED', 1, 'EUR', ${before})`,
    ];
    for (const row of unknownThen) await gateway.rows(`INSERT INTO ${row}`);
    await gateway.rows(earlierFinalCheck, [receipt]);
    expect(await gateway.database.tablesWith('olga-the-earlier')).toEqual([]);
    expect(await gateway.rows('SELECT 1 FROM owner_events WHERE owner_stream_id = $1', [stream])).toEqual([]);
    const entry = 'SELECT owner, job_id AS job FROM ledger_entries WHERE id = $1';
    expect(await gateway.rows(entry, [stream])).toEqual([{ owner: '@/erased', job: null }]);
    await gateway.rows('DELETE FROM streams WHERE id = $1', [stream]);
  });

  it('keeps the stream of an owner who comes back before the final check', async () => {
    const otto = await Client.of(gateway, 'otto-comes-back');
    const { receipt } = await otto.erase();
    const query = '{ viewer { activityCursor } }';
    const cursor = await otto.request(query);
    await gateway.rows(earlierFinalCheck, [receipt]);
    expect(await otto.request(query)).toEqual(cursor);
  });

  it('ends running jobs, and notifies their subscribers', async () => {
    const rita = await Client.of(gateway, 'rita');
    const { modelId, photoIds } = await rita.settle();
    const { id: trains } = await rita.train({ photoIds: photoIds.slice(0, 5), name: 'second' });
    const { id: generates } = await rita.generate(modelId, [{ count: 4 }]);
    const socket = await rita.connect();
    socket.subscribe('1', training, { id: trains });
    socket.subscribe('2', generating, { id: generates });
    socket.subscribe('3', collecting, { id: modelId });
    socket.subscribe('4', following, {});
    await until(async () => ['1', '2', '3', '4'].every((id) => socket.of(id).length > 0));

    const { counts } = await rita.erase();

    expect(counts).toMatchObject({ models: 2, generations: 2, photos: 5 });
    // A stream that completed at that moment ended normally; the avatar stream of a model never completes by itself.
    const ends: unknown[] = [];
    for (const id of ['1', '2', '3']) ends.push(endOf((await socket.ended(id)).at(-1)!));
    expect(ends[2]).toBe('NOT_FOUND');
    expect(ends.filter((end) => end !== 'NOT_FOUND' && end !== 'complete')).toEqual([]);
    // All of it is gone, so that there is nothing else to read.
    expect(endOf((await socket.ended('4')).at(-1)!)).toBe('complete');
    socket.socket.close();
    await until(async () => (await filesOf([...photoIds])).length === 0);
    expect(await gateway.database.tablesWith('rita')).toEqual(['erasures']);
  });

  it('completes quickly for thousands of rows, and holds no lock for long', async () => {
    const greta = await Client.of(gateway, 'greta');
    const model = await createManyRows(gateway, 'greta', {
      ...{ generations: 2_000, avatarsEach: 3, photos: 3_000, eventsEach: 10 },
    });
    const watch = watchTransactions();
    const erasing = greta.erase();
    const asked: number[] = [];
    const isDone = erasing.then(() => true);
    do {
      const beganMs = performance.now();
      await other.becomes('model', untouched.modelId, 'READY');
      asked.push(performance.now() - beganMs);
    } while (!(await Promise.race([isDone, soon()])));
    const { receipt } = await erasing;
    const maxDurationMs = await watch();

    await until(async () => (await greta.erasure(receipt))!.completedAt !== null);
    const all = { photos: 3_000, models: 1, generations: 2_000, avatars: 6_000 };
    expect((await greta.erasure(receipt))!.counts).toEqual(all);
    expect(maxDurationMs).toBeLessThan(2_000);
    expect(Math.max(...asked)).toBeLessThan(2_000);
    const id = toGlobalId('AvatarModel', model);
    const read = await greta.request('query ($id: ID!) { model(id: $id) { id } }', { id });
    expect(read).toEqual({ model: null });
  });
});

/** The code of the error that a subscription ended with, or `complete`. */
function endOf({ type, payload }: Message): unknown {
  return type === 'error' && Array.isArray(payload) ? payload[0]?.extensions.code : type;
}

const soon = (): Promise<boolean> => new Promise((resolve) => setTimeout(() => resolve(false), 5));

/** Samples the gateway's transactions; returns the maximum time that one was open. */
function watchTransactions(): () => Promise<number> {
  let maxDurationMs = 0;
  const end = new AbortController();
  const watching = (async () => {
    while (!end.signal.aborted) {
      const [open] = await gateway.rows<{
        ms: number | null;
      }>(`SELECT max(extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 AS ms FROM pg_stat_activity
          WHERE application_name = 'likeness' AND datname = current_database() AND state <> 'idle'`);
      maxDurationMs = Math.max(maxDurationMs, open?.ms ?? 0);
    }
  })();
  return async () => {
    end.abort();
    await watching;
    return maxDurationMs;
  };
}
