import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { avatarKey, previewKey } from '../../src/generations/avatar.entity';
import { mediaPath } from '../../src/storage/disk-store';
import type { FaultsEnvironment } from './faults-environment';

interface AvatarRow {
  id: string;
  status: string;
  media_token: string | null;
  sha256: string | null;
  byte_size: number | null;
  content_type: string | null;
  is_early: boolean;
}

/** The stored pictures. */
export interface PictureStore {
  keys(): Promise<readonly string[]>;
  /** Null if it is missing. */
  read(key: string): Promise<Buffer | null>;
}

/** The media directory of an environment. */
export function mediaDirectory(environment: FaultsEnvironment): PictureStore {
  return {
    keys: async () => [...(await media(environment)).keys()],
    read: (key) => readFile(join(environment.mediaDir, mediaPath(key))).catch(() => null),
  };
}

/** Pictures with status STORED are complete and decode. */
export async function pictures(environment: FaultsEnvironment, store: PictureStore): Promise<string[]> {
  const rows = await environment.rows<AvatarRow>(
    'SELECT id, status, media_token, sha256, byte_size, content_type, expires_at > now() AND answer_index IS NOT NULL AS is_early FROM avatars',
  );
  const wrong = await Promise.all(rows.map((row) => pictureProblem(row, store)));
  return wrong.flatMap((problem, index) =>
    problem === null ? [] : [`avatar ${rows[index]!.id} ${problem}`],
  );
}

async function pictureProblem(row: AvatarRow, store: PictureStore): Promise<string | null> {
  if (row.status !== 'STORED') return missingProblem(row);
  const names = { id: row.id, mediaToken: row.media_token };
  const [bytes, preview] = await Promise.all([store.read(avatarKey(names)), store.read(previewKey(names))]);
  if (!bytes || !preview) return 'has no bytes';
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== row.sha256 || bytes.length !== row.byte_size) return 'has other bytes than its row says';
  const shown = await Promise.all([decodes(bytes), decodes(preview)]);
  return shown.every(Boolean) ? null : 'is no picture';
}

/** A DELAYED picture is retried until its deadline; no job waits for it. */
function missingProblem({ status, is_early: isEarly }: AvatarRow): string | null {
  if (status === 'PENDING') return 'is left PENDING';
  return status === 'LOST' && isEarly ? 'was given up before its time was over' : null;
}

/** Whether these bytes decode as a picture. */
async function decodes(bytes: Buffer): Promise<boolean> {
  return sharp(bytes, { failOn: 'error' })
    .raw()
    .toBuffer()
    .then(
      () => true,
      () => false,
    );
}

/** There are no files without a row, and no pending deletions. */
export async function orphans(environment: FaultsEnvironment, store: PictureStore): Promise<string[]> {
  const known = await environment.rows<{ key: string }>(
    `SELECT 'avatars/' || id || coalesce('.' || media_token, '') || ending AS key
       FROM avatars, unnest(ARRAY['.picture', '.preview.jpg']) AS ending WHERE status = 'STORED' OR media_token IS NOT NULL
      UNION ALL SELECT 'photos/' || id || coalesce('.' || nullif(media_token, ''), '') || '.jpg' FROM photos WHERE status = 'READY'
      UNION ALL SELECT 'renditions/' || r.id FROM avatar_renditions r JOIN avatars a ON a.id = r.avatar_id`,
  );
  const keys = new Set(known.map(({ key }) => key));
  const pendingDeletions = await environment.rows<{ key: string }>('SELECT key FROM media_deletions');
  const extra = (await store.keys()).filter((key) => !keys.has(key));
  return [
    ...extra.map((key) => `${key} has no row`),
    ...pendingDeletions.map(({ key }) => `${key} is not deleted yet`),
  ];
}

/** The files of the media store by key. */
export async function media(environment: FaultsEnvironment): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const folder of ['avatars', 'photos', 'renditions']) {
    const root = join(environment.mediaDir, folder);
    const names = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of names.filter((name) => name.isFile() && !name.name.startsWith('.'))) {
      files.set(`${folder}/${entry.name}`, join(entry.parentPath, entry.name));
    }
  }
  return files;
}
