import {
  ApolloClient,
  ApolloLink,
  gql,
  HttpLink,
  InMemoryCache,
  type TypedDocumentNode,
} from '@apollo/client/core';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

interface State {
  status: string;
  progress: number;
}

interface Generation extends State {
  id: string;
  cursor: string;
  avatars: { id: string }[];
}

interface Model extends State {
  id: string;
  cursor: string;
  generations: { nodes: Generation[] };
}

const modelQuery: TypedDocumentNode<{ model: Model }, { id: string }> = gql`
  query Model($id: ID!) {
    model(id: $id) {
      id
      status
      progress
      generations {
        nodes {
          id
          status
          progress
          avatars {
            id
          }
        }
      }
    }
  }
`;

const trainingSubscription: TypedDocumentNode<{ change: State & { model: State } }> = gql`
  subscription Training($id: ID!, $after: String) {
    change: trainingProgress(modelId: $id, after: $after) {
      status
      progress
      model {
        id
        status
        progress
      }
    }
  }
`;

const generationSubscription: TypedDocumentNode<{ change: State & { generation: State } }> = gql`
  subscription Generation($id: ID!, $after: String) {
    change: generationProgress(generationId: $id, after: $after) {
      status
      progress
      generation {
        id
        status
        progress
        avatars {
          id
        }
        model {
          id
          status
          progress
        }
      }
    }
  }
`;

const statuses = 'QUEUED SUBMITTING TRAINING GENERATING STORING READY COMPLETED'.split(' ');

/** Later states have greater numbers. */
const ageOf = ({ status, progress }: State): number => 1_000 * statuses.indexOf(status) + progress;

/** Apollo Client with its normalized cache, as an application sets it up. */
class Application {
  private readonly sockets;
  readonly apollo: ApolloClient;
  /** The states of the watched model and of its newest generation, in the order of their display. */
  readonly models: State[] = [];
  readonly generations: (State & { avatars: number })[] = [];
  private readonly open: { unsubscribe(): void }[] = [];

  constructor(url: string) {
    this.sockets = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    });
    this.apollo = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.split(
        ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
        new GraphQLWsLink(this.sockets),
        new HttpLink({ uri: `${url}/graphql` }),
      ),
    });
  }

  /** Displays the model and its newest generation, from the cache. */
  async watch(id: string): Promise<void> {
    const query = this.apollo.watchQuery({ query: modelQuery, variables: { id } });
    const watcher = query.subscribe(({ data, dataState }) => {
      if (dataState !== 'complete') return;
      const { model } = data;
      this.models.push(model);
      const [generation] = model.generations.nodes;
      if (generation) this.generations.push({ ...generation, avatars: generation.avatars.length });
    });
    this.open.push(watcher);
    await until(() => this.models.length > 0);
  }

  /** Follows a job to its end; returns the past states of the messages. */
  follow(kind: 'training' | 'generation', variables: { id: string; after: string }): Promise<State[]> {
    const query: TypedDocumentNode<{ change: State }> =
      kind === 'training' ? trainingSubscription : generationSubscription;
    return new Promise((resolve, reject) => {
      const changes: State[] = [];
      // Otherwise a second subscription of the same job would join the first one.
      const context = { queryDeduplication: false };
      const following = this.apollo.subscribe({ query, variables, context }).subscribe({
        next: ({ data, error }) => {
          if (!data) return reject(new Error('The subscription failed.', { cause: error }));
          const { status, progress } = data.change;
          changes.push({ status, progress });
        },
        error: reject,
        complete: () => resolve(changes),
      });
      this.open.push(following);
    });
  }

  async stop(): Promise<void> {
    for (const each of this.open) each.unsubscribe();
    this.apollo.stop();
    await this.sockets.dispose();
  }
}

const train = `mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id cursor } } }`;
const generate = `mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id cursor } } }`;

describe("Apollo Client's cache", () => {
  let gateway: TestGateway;
  let client: Client;
  let application: Application;

  beforeEach(async () => {
    gateway = await TestGateway.start();
    client = new Client(() => gateway.url);
    application = new Application(gateway.url);
  });

  afterEach(async () => {
    await application.stop();
    await gateway.stop();
  });

  const startTraining = async (): Promise<Model> => {
    const photos = (await client.upload()).map((photoId) => ({ photoId }));
    const input = { type: 'WOMAN', photos };
    return (await client.request<{ trainModel: { model: Model } }>(train, { input })).trainModel.model;
  };

  const startGeneration = async (modelId: string): Promise<Generation> => {
    const input = { modelId, prompts: [{ count: 3 }] };
    const data = await client.request<{ generateAvatars: { generation: Generation } }>(generate, { input });
    return data.generateAvatars.generation;
  };

  it('never shows an older state while the past of a finished model and generation is replayed', async () => {
    const model = await startTraining();
    await client.becomes('model', model.id, 'READY');
    const generation = await startGeneration(model.id);
    await client.becomes('generation', generation.id, 'COMPLETED');
    await application.watch(model.id);
    const [trained, generated] = await Promise.all([
      application.follow('training', { id: model.id, after: model.cursor }),
      application.follow('generation', { id: generation.id, after: generation.cursor }),
    ]);
    expect(trained.map(({ status }) => status)).toEqual(expect.arrayContaining(['TRAINING', 'READY']));
    expect(generated.map(({ status }) => status)).toEqual(expect.arrayContaining(['STORING', 'COMPLETED']));
    expect(new Set(application.models.map(({ status, progress }) => `${status} ${progress}`))).toEqual(
      new Set(['READY 100']),
    );
    const shown = application.generations.map(
      ({ status, progress, avatars }) => `${status} ${progress} ${avatars}`,
    );
    expect(new Set(shown)).toEqual(new Set(['COMPLETED 100 3']));
  });

  it('never shows an older state while a training is replayed and followed several times', async () => {
    const model = await startTraining();
    await application.watch(model.id);
    const replay = (): Promise<State[]> =>
      application.follow('training', { id: model.id, after: model.cursor });
    const first = replay();
    await until(() => application.models.at(-1)!.status !== 'QUEUED');
    const all = [await replay(), await first, await replay()];
    expect(all[2]).toEqual(all[0]);
    expect(all[1]).toEqual(all[0]);
    const ages = application.models.map((state) => ageOf(state));
    expect(ages).toEqual([...ages].sort((a, b) => a - b));
    expect(application.models.at(-1)).toMatchObject({ status: 'READY', progress: 100 });
  });
});
