// Subscriptions as usually written: graphql-ws, an execution by graphql-js for each event and subscriber.
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { listen } from './data.mjs';
import { subscriptionTypeDefs } from './schema.mjs';
import { eventsOf } from './topics.mjs';

const schema = buildSchema(subscriptionTypeDefs);
schema.getSubscriptionType().getFields().trainingProgress.subscribe = (_, { modelId }) => eventsOf(modelId);
const server = createServer();
useServer({ schema }, new WebSocketServer({ server }));
listen(server);
