// The limit: bare node:http and one hand-written statement per request that makes the JSON, without GraphQL.
import { randomUUID } from 'node:crypto';
import { avatarUrl, fromGlobalId, pool, rows, serve, sign, toGlobalId } from './data.mjs';

const globalId = (kind, column) => `'${kind}_' || replace(${column}::text, '-', '')`;
const cursor = (column) => `translate(rtrim(encode(uuid_send(${column}), 'base64'), '='), '+/', '-_')`;

const list = (avatarFields) => `
  WITH page AS MATERIALIZED (
    SELECT id, name, status, progress FROM models WHERE owner = $1 ORDER BY id DESC LIMIT $2::int + 1
  ), shown AS MATERIALIZED (SELECT * FROM page LIMIT $2)
  SELECT json_build_object('data', json_build_object('models', json_build_object(
    'edges', coalesce((SELECT json_agg(json_build_object('node', json_build_object(
      'id', ${globalId('model', 'm.id')}, 'name', m.name, 'status', m.status, 'progress', m.progress,
      'generations', json_build_object('edges', coalesce((SELECT json_agg(json_build_object('node', json_build_object(
        'id', ${globalId('generation', 'g.id')}, 'status', g.status,
        'avatars', coalesce((SELECT json_agg(json_build_object(${avatarFields})) FROM (
          SELECT id, placeholder FROM avatars WHERE generation_id = g.id AND status = 'STORED' ORDER BY position
        ) a), '[]')))) FROM (
        SELECT id, status FROM generations WHERE model_id = m.id ORDER BY id DESC LIMIT 4
      ) g), '[]'))))) FROM shown m), '[]'),
    'pageInfo', json_build_object(
      'hasNextPage', (SELECT count(*) FROM page) > $2,
      'endCursor', (SELECT ${cursor('id')} FROM shown ORDER BY id LIMIT 1)))))::text AS text`;

const avatarId = globalId('avatar', 'a.id');
const statements = {
  List: list(`'id', ${avatarId}, 'placeholder', a.placeholder`),
  ListUrls: list(`'id', ${avatarId}, 'url', '@' || ${avatarId}`),
  Lookup: `SELECT json_build_object('data', json_build_object('model', (
    SELECT json_build_object('id', ${globalId('model', 'id')}, 'name', name, 'status', status, 'progress', progress)
      FROM models WHERE owner = $1 AND id = $2)))::text AS text`,
};

const handlers = {
  List: (owner, { first }) => textOf('List', [owner, first]),
  ListUrls: async (owner, { first }) => {
    const text = await textOf('ListUrls', [owner, first]);
    return text.replace(/@(avatar_\w{32})/g, (_, id) => avatarUrl(id));
  },
  Lookup: (owner, { id }) => textOf('Lookup', [owner, fromGlobalId(id)]),
  Upload: createUploads,
};

async function textOf(name, values) {
  const [{ text }] = await rows(name, statements[name], values);
  return text;
}

/** The statements of the product's mutation, on one connection. */
async function createUploads(owner, { input: { files } }) {
  const ids = files.map(() => randomUUID());
  const client = await pool.connect();
  try {
    const run = (name, text, values = []) => client.query({ name, text, values });
    await run(
      'count',
      `SELECT count(*)::integer AS count FROM photos WHERE owner = $1 AND id > $2 AND purge_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id)`,
      [owner, '00000000-0000-7000-8000-000000000000'],
    );
    await client.query('BEGIN');
    await run('admit', 'SELECT admit_write($1, now(), $2, 30000) AS verdict', [owner, []]);
    await run(
      'insert',
      `INSERT INTO photos (id, owner, status, filename, purge_at)
       SELECT slot.id, $1, 'AWAITING_UPLOAD', slot.filename, now() + interval '2 hours'
         FROM unnest($2::uuid[], $3::text[]) AS slot (id, filename) RETURNING *`,
      [owner, ids, files.map(({ filename }) => filename)],
    );
    await client.query('COMMIT');
  } finally {
    client.release();
  }
  return JSON.stringify({ data: { createPhotoUploads: { uploads: files.map(toUpload(ids)) } } });
}

function toUpload(ids) {
  const expiresMs = Date.now() + 3_600_000;
  return ({ filename, contentType }, index) => {
    const id = toGlobalId('photo', ids[index]);
    return {
      uploadUrl: sign('photo-upload', `/uploads/${id}`, expiresMs),
      expiresAt: new Date(expiresMs).toISOString(),
      headers: [{ name: 'Content-Type', value: contentType }],
      photo: { id, status: 'AWAITING_UPLOAD', filename },
    };
  };
}

serve((body, owner) => {
  const { operationName, variables } = JSON.parse(body);
  return handlers[operationName](owner, variables);
});
