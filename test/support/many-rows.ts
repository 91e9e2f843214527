import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from './environment';

/** The amount of data of one owner. */
export interface RowCounts {
  generations: number;
  avatarsEach: number;
  photos: number;
  eventsEach: number;
}

/**
 * Gives an owner a model with the given number of finished generations and all related rows, without files:
 * the data of years of use, created in a second.
 * @returns the model's UUID
 */
export async function createManyRows(
  environment: Environment,
  owner: string,
  size: RowCounts,
): Promise<string> {
  const [model] = await environment.rows<{ id: string }>(
    `INSERT INTO models (id, owner, provider, name, type, photo_count, status, progress, provider_ref, ready_at)
     VALUES (gen_random_uuid(), $1, 'sandbox', 'years', 'CAT', 5, 'READY', 100, gen_random_uuid(), now()) RETURNING id`,
    [owner],
  );
  const { id } = model!;
  const run = (text: string, ...parameters: unknown[]): Promise<unknown> =>
    environment.rows(text, [id, owner, ...parameters]);
  await run('INSERT INTO streams (id, owner, sequence) VALUES ($1, $2, 0)');
  await run(
    `INSERT INTO generations (id, owner, provider, model_id, prompts, wanted, status, progress, provider_ref, completed_at)
     SELECT gen_random_uuid(), $2, 'sandbox', $1, '[{"style": "realistic", "prompt": "hoarded", "count": 1}]', $4,
            'COMPLETED', 100, gen_random_uuid(), now()
       FROM generate_series(1, $3::integer)`,
    ...[size.generations, size.avatarsEach],
  );
  await run(
    `INSERT INTO avatars (id, owner, generation_id, model_id, position, status, style, prompt, width, height, byte_size,
                          content_type, sha256, placeholder, check_at)
     SELECT gen_random_uuid(), $2, g.id, $1, n - 1, 'STORED', 'realistic', 'hoarded', 9, 9, 9, 'image/jpeg', 'x', 'x', now() + interval '1 day'
       FROM generations g, generate_series(1, $3::integer) n WHERE g.model_id = $1`,
    size.avatarsEach,
  );
  await run(
    `INSERT INTO photos (id, owner, status, width, height, byte_size)
     SELECT gen_random_uuid(), $2, 'READY', 9, 9, 9 FROM generate_series(1, $3::integer) WHERE $1::uuid IS NOT NULL`,
    size.photos,
  );
  await run(
    `INSERT INTO events (stream_id, sequence, kind, subject_id, generation_id, payload)
     SELECT $1, row_number() OVER (), 'GENERATION', g.id, g.id, '{"prompts": "hoarded"}'
       FROM generations g, generate_series(1, $3::integer) WHERE g.model_id = $1 AND g.owner = $2`,
    size.eventsEach,
  );
  await run(
    `UPDATE streams SET sequence = (SELECT count(*) FROM events WHERE stream_id = $1) WHERE id = $1 AND owner = $2`,
  );
  return id;
}

/**
 * Gives each avatar of an owner a picture of zero bytes of the given size, stored as a sparse file that uses no disk space.
 * @returns the number of avatars
 */
export async function enlargeAvatars(
  environment: Environment,
  owner: string,
  byteSize: number,
): Promise<number> {
  const rows = await environment.rows<{ id: string }>(
    'UPDATE avatars SET byte_size = $2 WHERE owner = $1 RETURNING id',
    [owner, byteSize],
  );
  for (const { id } of rows) {
    const folder = join(environment.mediaDir, 'avatars', id.slice(-2));
    await mkdir(folder, { recursive: true });
    const file = await open(join(folder, `${id}.picture`), 'w');
    await file.truncate(byteSize);
    await file.close();
  }
  return rows.length;
}
