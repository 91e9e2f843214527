// Mercurius on Fastify with its JIT and its loaders, and prepared statements by hand: the fastest of the known
// GraphQL servers for Node.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { announce, avatarUrl, fromGlobalId, rows, toGlobalId } from './data.mjs';
import { groupBy, toConnection, typeDefs } from './schema.mjs';

const statements = {
  models: 'SELECT id, name, status, progress FROM models WHERE owner = $1 ORDER BY id DESC LIMIT $2',
  model: 'SELECT id, name, status, progress FROM models WHERE owner = $1 AND id = $2',
  generations: `SELECT g.* FROM unnest($1::uuid[]) AS m (id) CROSS JOIN LATERAL (
    SELECT id, model_id, status FROM generations WHERE model_id = m.id ORDER BY id DESC LIMIT $2) g`,
  avatars: `SELECT id, generation_id, placeholder FROM avatars
    WHERE generation_id = ANY($1) AND status = 'STORED' ORDER BY generation_id, position`,
};
const run = (name, ...values) => rows(name, statements[name], values);

const resolvers = {
  Query: {
    models: async (_, { first }, { owner }) => toConnection(await run('models', owner, first + 1), first),
    model: async (_, { id }, { owner }) => (await run('model', owner, fromGlobalId(id)))[0] ?? null,
  },
  AvatarModel: { id: ({ id }) => toGlobalId('model', id) },
  Generation: { id: ({ id }) => toGlobalId('generation', id) },
  Avatar: {
    id: ({ id }) => toGlobalId('avatar', id),
    url: ({ id }) => avatarUrl(toGlobalId('avatar', id)),
  },
};

const loaders = {
  AvatarModel: {
    generations: async (queries) => {
      const { first } = queries[0].params;
      const ids = queries.map(({ obj }) => obj.id);
      const groups = groupBy(ids, await run('generations', ids, first), 'model_id');
      return groups.map((group) => toConnection(group, first));
    },
  },
  Generation: {
    avatars: async (queries) => {
      const ids = queries.map(({ obj }) => obj.id);
      return groupBy(ids, await run('avatars', ids), 'generation_id');
    },
  },
};

const app = Fastify({ keepAliveTimeout: 60_000 });
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  loaders,
  jit: 1,
  context: (request) => ({ owner: request.headers['x-owner'] }),
});
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
announce();
