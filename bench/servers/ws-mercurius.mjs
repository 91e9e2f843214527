// Subscriptions of Mercurius with its JIT.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { announce } from './data.mjs';
import { subscriptionTypeDefs } from './schema.mjs';
import { eventsOf } from './topics.mjs';

const resolvers = {
  Subscription: { trainingProgress: { subscribe: (_, { modelId }) => eventsOf(modelId) } },
};
const app = Fastify();
app.register(mercurius, { schema: subscriptionTypeDefs, resolvers, jit: 1, subscription: true });
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 });
announce();
