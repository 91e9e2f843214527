// The usual stack: Apollo Server on Express, TypeORM entities, DataLoader.
import 'reflect-metadata';
import { createServer } from 'node:http';
import { ApolloServer } from '@apollo/server';
import { expressMiddleware } from '@as-integrations/express5';
import DataLoader from 'dataloader';
import express from 'express';
import { DataSource, EntitySchema, In } from 'typeorm';
import { avatarUrl, fromGlobalId, listen, toGlobalId } from './data.mjs';
import { groupBy, toConnection, typeDefs } from './schema.mjs';

const text = (name) => ({ type: 'text', ...(name && { name }) });
const entity = (name, tableName, columns) =>
  new EntitySchema({ name, tableName, columns: { id: { type: 'uuid', primary: true }, ...columns } });

const Model = entity('Model', 'models', {
  owner: text(),
  name: text(),
  status: text(),
  progress: { type: 'smallint' },
  createdAt: { type: 'timestamptz', name: 'created_at' },
});
const Generation = entity('Generation', 'generations', {
  owner: text(),
  status: text(),
  modelId: { type: 'uuid', name: 'model_id' },
  createdAt: { type: 'timestamptz', name: 'created_at' },
});
const Avatar = entity('Avatar', 'avatars', {
  owner: text(),
  status: text(),
  placeholder: text(),
  position: { type: 'smallint' },
  generationId: { type: 'uuid', name: 'generation_id' },
  createdAt: { type: 'timestamptz', name: 'created_at' },
});

const dataSource = await new DataSource({
  type: 'postgres',
  url: process.env.DATABASE_URL,
  poolSize: 10,
  entities: [Model, Generation, Avatar],
}).initialize();
const [models, generations, avatars] = [Model, Generation, Avatar].map((each) =>
  dataSource.getRepository(each),
);

const loadersOf = (owner) => ({
  generations: new DataLoader(async (ids) => {
    const rows = await generations.find({ where: { owner, modelId: In(ids) }, order: { id: 'DESC' } });
    return groupBy(ids, rows, 'modelId');
  }),
  avatars: new DataLoader(async (ids) => {
    const where = { owner, status: 'STORED', generationId: In(ids) };
    const rows = await avatars.find({ where, order: { position: 'ASC' } });
    return groupBy(ids, rows, 'generationId');
  }),
});

const resolvers = {
  Query: {
    models: async (_, { first }, { owner }) =>
      toConnection(await models.find({ where: { owner }, order: { id: 'DESC' }, take: first + 1 }), first),
    model: (_, { id }, { owner }) => models.findOneBy({ owner, id: fromGlobalId(id) }),
  },
  AvatarModel: {
    id: ({ id }) => toGlobalId('model', id),
    generations: async ({ id }, { first }, { loaders }) =>
      toConnection(await loaders.generations.load(id), first),
  },
  Generation: {
    id: ({ id }) => toGlobalId('generation', id),
    avatars: ({ id }, _, { loaders }) => loaders.avatars.load(id),
  },
  Avatar: {
    id: ({ id }) => toGlobalId('avatar', id),
    url: ({ id }) => avatarUrl(toGlobalId('avatar', id)),
  },
};

const apollo = new ApolloServer({ typeDefs, resolvers });
await apollo.start();
const context = ({ req: { headers } }) => {
  const owner = headers['x-owner'];
  return Promise.resolve({ owner, loaders: loadersOf(owner) });
};
const app = express().use('/graphql', express.json(), expressMiddleware(apollo, { context }));
const server = createServer(app);
server.keepAliveTimeout = 60_000;
listen(server);
