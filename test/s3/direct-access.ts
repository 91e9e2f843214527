import { Client as PostgresClient } from 'pg';
import { LikenessClient } from '../../src/client/index.ts';
import { photo, photos } from '../support/client-module';
import { likeness } from '../support/command-line';
import { type FaultsEnvironment } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import { facePhoto } from '../support/pictures';
import type { S3Server } from '../support/s3-server';
import { eventually } from '../support/until';

/** A gateway with `S3_UPLOADS=direct` and `S3_READS=presigned`, and the server of its bucket. */
export interface DirectAccess {
  readonly server: S3Server;
  /** The settings of the gateway's bucket. */
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: FaultsEnvironment;
}

/** The bucket of the gateway. */
export const directBucket = 'direct';

async function keysOf({ server }: DirectAccess): Promise<string[]> {
  const found: string[] = [];
  for await (const key of server.store(directBucket).list('', 0)) found.push(key);
  return found;
}

const untilKeys = (
  access: DirectAccess,
  what: string,
  fits: (keys: string[]) => boolean,
): Promise<string[]> => eventually(what, () => keysOf(access), fits);
const uploads = (found: string[]): string[] => found.filter((key) => key.startsWith('uploads/'));
const clientOf = ({ environment }: DirectAccess): LikenessClient =>
  new LikenessClient({ url: environment.gateway.url });

async function usesTheBucket(access: DirectAccess): Promise<void> {
  const { settings, environment } = access;
  const { client, gateway } = environment;
  const results = await clientOf(access).upload(await photos());
  expect(results.map(({ error }) => error)).toEqual([null, null, null, null, null]);
  await untilKeys(access, 'the deletion of the uploaded files', (found) => uploads(found).length === 0);

  const model = await client.trained(results.map(({ photoId }) => photoId!));
  const { id } = await client.generate(model, [{ count: 1 }]);
  expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED' });
  const [avatar] = await clientOf(access)
    .query<{
      avatars: { nodes: { url: string; downloadUrl: string; filename: string; byteSize: number }[] };
    }>('{ avatars { nodes { url downloadUrl filename byteSize } } }')
    .then(({ avatars }) => avatars.nodes);
  const { url, downloadUrl, filename, byteSize } = avatar!;
  const redirect = await fetch(url, { redirect: 'manual' });
  expect([redirect.status, new URL(redirect.headers.get('location')!).origin]).toEqual([
    302,
    settings.S3_ENDPOINT,
  ]);
  const shown = await fetch(url);
  expect((await shown.arrayBuffer()).byteLength).toBe(byteSize);
  expect(shown.headers.get('content-type')).toMatch(/^image\//);
  const saved = await fetch(downloadUrl);
  expect(saved.headers.get('content-disposition')).toContain(`attachment; filename="${filename}"`);
  expect((await saved.arrayBuffer()).byteLength).toBe(byteSize);
  const part = await fetch(url, { headers: { range: 'bytes=0-9' } });
  expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 10]);
  const head = await fetch(url, { method: 'HEAD', redirect: 'manual' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(byteSize)]);

  await client.delete('deleteModel', model);
  await untilKeys(access, 'the deletion of the pictures', (found) => found.length === 0);
  expect((await fetch(url, { redirect: 'manual' })).status).toBe(404);
  expect((await fetch(redirect.headers.get('location')!)).status).toBe(404);
  expect(gateway.log.map((line) => JSON.stringify(line)).join()).not.toMatch(/testing|Signature=/);
}

async function learnsRefusals(access: DirectAccess): Promise<void> {
  const text = new File(['no picture'], 'me.jpg', { type: 'image/jpeg' });
  const [refused, accepted] = await clientOf(access).upload([text, await photo(7)]);
  expect(refused!.error).toMatchObject({ code: 'PHOTO_TYPE_UNSUPPORTED' });
  expect(accepted!.error).toBeNull();
  await untilKeys(access, 'the deletion of the uploaded files', (found) => uploads(found).length === 0);
}

async function signsOnePhoto(access: DirectAccess): Promise<void> {
  const { environment } = access;
  const bytes = await facePhoto(1, { width: 640 });
  const slots = await environment.client.slots([{ byteSize: bytes.length }, { byteSize: bytes.length }]);
  const [own, other] = slots.map(({ uploadUrl }) => new URL(uploadUrl));
  // A server may end the connection of a request that it refuses before it has read the body.
  const put = (url: URL, body: Buffer): Promise<number> =>
    fetch(url, { method: 'PUT', body: new Uint8Array(body) }).then(
      ({ status }) => status,
      () => 403,
    );
  expect(await put(own!, Buffer.concat([bytes, bytes]))).toBe(403);
  own!.pathname = other!.pathname;
  expect(await put(own!, bytes)).toBe(403);
  own!.pathname = other!.pathname.replace('uploads/', 'photos/');
  expect(await put(own!, bytes)).toBe(403);
  expect(uploads(await keysOf(access))).toEqual([]);
}

async function erasesUnchecked(access: DirectAccess): Promise<void> {
  const { environment } = access;
  const bytes = await facePhoto(1, { width: 640 });
  const [slot] = await environment.client.slots([{ byteSize: bytes.length }]);
  await fetch(slot!.uploadUrl, { method: 'PUT', body: new Uint8Array(bytes) });
  await environment.client.erase();
  expect(await untilKeys(access, 'the deletion of the uploaded file', (found) => found.length === 0)).toEqual(
    [],
  );
}

/** Kills the gateway when it schedules the deletion of a checked file, which another statement delays. */
async function leavesNothingAfterKill(access: DirectAccess): Promise<void> {
  const { environment } = access;
  const session = new PostgresClient({ connectionString: environment.databaseUrl });
  await session.connect();
  await session.query('BEGIN; LOCK TABLE media_deletions IN SHARE ROW EXCLUSIVE MODE');
  const bytes = await facePhoto(1, { width: 640 });
  const [slot] = await environment.client.slots([{ byteSize: bytes.length }]);
  await fetch(slot!.uploadUrl, { method: 'PUT', body: new Uint8Array(bytes) });
  const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND query LIKE '%INSERT INTO media_deletions%'`;
  await eventually(
    'the deletion of the checked file',
    () => environment.rows(`SELECT pid ${waiting}`),
    (found) => found.length > 0,
  );
  await environment.gateway.kill();
  await environment.rows(`SELECT pg_terminate_backend(pid) ${waiting}`);
  await session.end();
  await environment.restartGateway();
  await environment.client.becomes('photo', slot!.photo.id, 'READY');
  await untilKeys(access, 'the deletion of the uploaded file', (found) => uploads(found).length === 0);
  await environment.client.erase();
}

async function examinesCors(access: DirectAccess): Promise<void> {
  const { settings, environment } = access;
  const { databaseUrl, dataDir } = environment;
  const { out } = await likeness(
    { DATABASE_URL: databaseUrl, DATA_DIR: dataDir, ...settings, PUBLIC_URL: 'https://me.example' },
    'doctor',
  );
  expect(out).not.toContain('unfinished uploads');
  expect(out).toContain('pages of https://me.example cannot upload to the bucket');
}

/** What clients that use the bucket can do. */
export const directAccessSuite: readonly [
  promise: string,
  expectKept: (access: DirectAccess) => Promise<void>,
][] = [
  ['upload photos there, train with them, and read avatars there', usesTheBucket],
  ['learn which photos cannot be used', learnsRefusals],
  ['cannot use the URL for another size or another photo', signsOnePhoto],
  ['leave nothing when their data are erased before the check', erasesUnchecked],
  ['leave no unchecked file when the process is killed that has checked it', leavesNothingAfterKill],
  ['are warned by the doctor that pages cannot upload without CORS rules', examinesCors],
];
