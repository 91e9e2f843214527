// Rows of the product's schema, written by SQL. Ids derive from numbers, so that scenarios can name rows without
// reading them.
import { createHash } from 'node:crypto';

const firstMs = Date.UTC(2024, 0, 1);

/** The UUID of the nth row of a table, of version 7: later numbers sort later. */
export function idOf(table, n) {
  const hash = createHash('md5').update(`${table}${n}`).digest('hex');
  const hex = `${(firstMs + n).toString(16).padStart(12, '0')}7${hash.slice(0, 3)}8${hash.slice(3, 18)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The nth model's global id in the API. */
export const modelIdOf = (n) => `model_${idOf('models', n).replaceAll('-', '')}`;

/** Creates the function of the ids. */
export async function prepareSeed(rows) {
  await rows(`CREATE SCHEMA bench`);
  await rows(`
    CREATE FUNCTION bench.id_of(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
      SELECT (lpad(to_hex(${firstMs} + n), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid
        FROM md5(kind || n) AS h $$`);
}

/** Creates models with the numbers `from`, `from + 1`, …: READY, each with 4 generations of 4 avatars. */
export async function seedLibrary(rows, { owners, modelsEach, from }) {
  const last = await seedModels(rows, { owners, modelsEach, from, status: 'READY' });
  await rows(insertGenerations, [from, last]);
  await rows(insertAvatars, [from, last]);
}

/**
 * Creates models only.
 * @param dueInSeconds - when an unfinished model is polled
 * @returns the last number
 */
export async function seedModels(rows, seed) {
  const { owners, modelsEach, from, status, provider = 'sandbox', dueInSeconds = 31_536_000 } = seed;
  const last = from + owners.length * modelsEach - 1;
  await rows(insertModels, [owners, modelsEach, from, last, status, provider, dueInSeconds]);
  await rows(insertStreams, [from, last]);
  return last;
}

/** Run after seeding, so that plans and the work left for autovacuum do not depend on chance. */
export async function settle(rows) {
  await rows('VACUUM ANALYZE');
  await rows('CHECKPOINT');
}

const insertModels = `
  INSERT INTO models (id, owner, provider, name, type, photo_count, status, progress, attempt, provider_ref, ready_at,
                      due_at, deadline_at, submitted_at)
  SELECT bench.id_of('models', n), ($1::text[])[(n - $3) / $2::int + 1], $6, 'Model "' || n || '"', 'CAT', 5, $5,
         CASE $5 WHEN 'READY' THEN 100 ELSE 50 END, 1, 'bench-' || n, CASE $5 WHEN 'READY' THEN now() END,
         CASE WHEN $5 <> 'READY' THEN now() + ($7::float8 + (n - $3) * 1e-3) * interval '1 s' END,
         CASE WHEN $5 <> 'READY' THEN now() + interval '1 day' END, now()
    FROM generate_series($3::bigint, $4::bigint) AS n`;

const insertStreams = `
  INSERT INTO streams (id, owner)
  SELECT id, owner FROM generate_series($1::bigint, $2::bigint) AS n JOIN models ON id = bench.id_of('models', n)`;

const insertGenerations = `
  INSERT INTO generations (id, owner, provider, model_id, prompts, wanted, status, progress, attempt, provider_ref,
                           completed_at)
  SELECT bench.id_of('generations', n * 10 + k), m.owner, m.provider, m.id,
         '[{"style": "realistic", "prompt": "a portrait", "count": 4}]', 4, 'COMPLETED', 100, 1,
         'bench-' || n || '-' || k, now()
    FROM generate_series($1::bigint, $2::bigint) AS n JOIN models m ON m.id = bench.id_of('models', n),
         generate_series(0, 3) AS k`;

// Stored pictures are checked in a year, since they have no files.
const insertAvatars = `
  INSERT INTO avatars (id, owner, generation_id, model_id, position, status, style, prompt, width, height, byte_size,
                       content_type, sha256, placeholder, check_at)
  SELECT bench.id_of('avatars', (n * 10 + k) * 10 + p), g.owner, g.id, g.model_id, p, 'STORED', 'realistic',
         'a portrait', 1024, 1024, 123456, 'image/jpeg', md5(g.id::text || p), 'LEHV6nWB2yk8pyo0adR*.7kCMdnj',
         now() + interval '1 year'
    FROM generate_series($1::bigint, $2::bigint) AS n, generate_series(0, 3) AS k
    JOIN generations g ON true, generate_series(0, 3) AS p
   WHERE g.id = bench.id_of('generations', n * 10 + k)`;
