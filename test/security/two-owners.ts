import { newId, toGlobalId, type NodeKind } from '../../src/core/ids';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import { receiverSettings } from '../support/webhook-receiver';
import { createWebhook } from '../support/webhooks';

const prices = 'sandbox.training=1,sandbox.generation=1/avatar,sandbox.instant=0.1/avatar';

/** One resource of each kind that an owner can have. */
export interface Belongings {
  photo: string;
  /** Uploaded photos, of which {@link photo} is the first. */
  photos: string[];
  awaitingPhoto: string;
  uploadUrl: string;
  readyModel: string;
  completedGeneration: string;
  avatar: string;
  avatarUrl: string;
  photoUrl: string;
  waitingModel: string;
  waitingGeneration: string;
  failedModel: string;
  failedGeneration: string;
  /** Retried by the deprecated form. */
  otherFailedModel: string;
  otherFailedGeneration: string;
  /** Cursors: of a stream of the model, of one of the generation, and of a list. */
  modelCursor: string;
  generationCursor: string;
  listCursor: string;
  /** Of the timeline of a model. */
  timelineCursor: string;
  webhook: string;
  delivery: string;
  notice: string;
  ledgerEntry: string;
  clientToken: string;
  /** Of the owner's activity. */
  activityCursor: string;
}

/** Two owners on a gateway without background work. */
export class TwoOwners {
  private constructor(
    readonly gateway: TestGateway,
    readonly alice: Client,
    readonly bob: Client,
    readonly alices: Belongings,
    readonly bobs: Belongings,
  ) {}

  /** Creates the data of both with a complete gateway, then restarts it without workers. */
  static async settle(): Promise<TwoOwners> {
    const settings: Record<string, string> = { ...jwtSettings, ...receiverSettings, PRICES: prices };
    const gateway = await TestGateway.start(settings);
    try {
      const [alice, bob] = await Promise.all(['alice', 'bob'].map((owner) => Client.of(gateway, owner)));
      const [ofAlice, ofBob] = await Promise.all([finished(alice!, 'alice'), finished(bob!, 'bob')]);
      settings.ROLE = 'api';
      await gateway.restart();
      const [alices, bobs] = [
        await unfinished(gateway, alice!, ofAlice),
        await unfinished(gateway, bob!, ofBob),
      ];
      await fail(gateway, [alices, bobs]);
      return new TwoOwners(gateway, alice!, bob!, alices, bobs);
    } catch (error) {
      await gateway.stop();
      throw error;
    }
  }

  /** All database rows of the owner, and the names of all files. */
  async snapshot(owner: string): Promise<string> {
    const tables = [
      'models',
      'photos',
      'generations',
      'avatars',
      'idempotency_keys',
      'quota_reservations',
      'timeline_entries',
      'webhooks',
      'webhook_deliveries',
      'notices',
      'ledger_entries',
      'client_tokens',
      'avatar_downloads',
    ];
    const rowsOf = (from: string): Promise<unknown[]> =>
      this.gateway.rows(`SELECT row_to_json(t)::text AS row FROM ${from}`, [owner]);
    const parts: unknown[] = [];
    for (const table of tables) parts.push(table, await rowsOf(`${table} t WHERE owner = $1 ORDER BY 1`));
    const streams = `SELECT id FROM models WHERE owner = $1 UNION SELECT id FROM generations WHERE owner = $1`;
    const events = await rowsOf(`events t WHERE stream_id IN (${streams}) ORDER BY stream_id, sequence`);
    return JSON.stringify([...parts, 'events', events], null, 1);
  }

  async stop(): Promise<void> {
    this.alice.close();
    this.bob.close();
    await this.gateway.stop();
  }
}

type Finished = Pick<
  Belongings,
  'photo' | 'photos' | 'readyModel' | 'completedGeneration' | 'avatar' | 'avatarUrl' | 'photoUrl'
>;

async function finished(client: Client, name: string): Promise<Finished> {
  const photos = await client.upload();
  const { id: readyModel } = await client.train({ name: `${name} is secret`, type: 'CAT', photoIds: photos });
  await client.becomes('model', readyModel, 'READY');
  const prompt = `${name} by the sea`;
  const { id: completedGeneration } = await client.generate(readyModel, [{ prompt }]);
  await client.becomes('generation', completedGeneration, 'COMPLETED');
  const [avatar] = await client.avatars(completedGeneration);
  const query = 'query ($id: ID!) { photo(id: $id) { url } }';
  const { photo } = await client.request<{ photo: { url: string } }>(query, { id: photos[0] });
  return {
    photo: photos[0]!,
    photos,
    readyModel,
    completedGeneration,
    avatar: avatar!.id,
    avatarUrl: avatar!.url,
    photoUrl: photo.url,
  };
}

async function unfinished(gateway: TestGateway, client: Client, finished: Finished): Promise<Belongings> {
  const [slot] = await client.slots([{ byteSize: 1_000 }]);
  const { photos: photoIds, readyModel } = finished;
  const train = async (): Promise<string> => (await client.train({ type: 'CAT', photoIds })).id;
  const generate = async (prompt: string): Promise<string> =>
    (await client.generate(readyModel, [{ prompt }])).id;
  const waitingModel = await train();
  const waitingGeneration = await generate('waiting');
  const cursors = await Promise.all(
    [
      `trainingProgress(modelId: "${waitingModel}")`,
      `generationProgress(generationId: "${waitingGeneration}")`,
    ].map(async (field) => {
      const query = `subscription { s: ${field} { cursor } }`;
      const { data } = await client.execute('WebSocket', { query });
      return (data as { s: { cursor: string } }).s.cursor;
    }),
  );
  interface Edges {
    edges: { cursor: string; node: { timeline: { edges: { cursor: string }[] } } }[];
  }
  const { models, viewer, ledger } = await client.request<{
    models: Edges;
    viewer: { activityCursor: string; owner: string };
    ledger: { nodes: { id: string }[] };
  }>(
    `{ models { edges { cursor node { timeline { edges { cursor } } } } } viewer { activityCursor owner }
       ledger(first: 1) { nodes { id } } }`,
  );
  const { webhook } = await createWebhook(client, { url: 'http://127.0.0.1:9/' });
  // Nothing is sent: the gateway has no workers.
  return {
    ...finished,
    webhook: webhook.id,
    ledgerEntry: ledger.nodes[0]!.id,
    ...(await insertRecords(gateway, viewer.owner, webhook.id)),
    awaitingPhoto: slot!.photo.id,
    uploadUrl: slot!.uploadUrl,
    waitingModel,
    waitingGeneration,
    failedModel: await train(),
    failedGeneration: await generate('failed'),
    otherFailedModel: await train(),
    otherFailedGeneration: await generate('failed too'),
    modelCursor: cursors[0]!,
    generationCursor: cursors[1]!,
    listCursor: models.edges[0]!.cursor,
    timelineCursor: models.edges[0]!.node.timeline.edges[0]!.cursor,
    activityCursor: viewer.activityCursor,
  };
}

/** Objects that users cannot create, or that need workers. */
async function insertRecords(
  gateway: TestGateway,
  owner: string,
  webhook: string,
): Promise<Pick<Belongings, 'delivery' | 'notice' | 'clientToken'>> {
  const insert = async (kind: NodeKind, row: string, ...values: string[]): Promise<string> => {
    const id = newId();
    await gateway.rows(`INSERT INTO ${row}`, [id, owner, ...values]);
    return toGlobalId(kind, id);
  };
  return {
    notice: await insert(
      'Notice',
      `notices (id, owner, kind, message) VALUES ($1, $2, 'SPENDING_LIMIT_NEAR', $2 || ' has spent much.')`,
    ),
    clientToken: await insert(
      'ClientToken',
      `client_tokens (id, owner, secret_sha256, scopes, uploads_left, expires_at)
       VALUES ($1, $2, repeat('0', 64), '{read}', 1, now() + interval '1 hour')`,
    ),
    delivery: await insert(
      'WebhookDelivery',
      `webhook_deliveries (id, owner, webhook_id, number, stream_id, event_type, subject_id, body, status)
       VALUES ($1, $2, $3, 1, $1, 'MODEL_READY', $2, '{}', 'FAILED')`,
      uuidOf(webhook),
    ),
  };
}

/** A retryable failure takes long to produce, so it is written directly to the database. */
async function fail(gateway: TestGateway, all: Belongings[]): Promise<void> {
  for (const { failedModel, failedGeneration, otherFailedModel, otherFailedGeneration } of all) {
    for (const [table, id] of [
      ['models', failedModel],
      ['generations', failedGeneration],
      ['models', otherFailedModel],
      ['generations', otherFailedGeneration],
    ] as const) {
      await gateway.rows(
        `UPDATE ${table} SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_FAILED',
           failure_message = 'It failed.', failure_retryable = true WHERE id = $1`,
        [id.replace(/^\w+_/, '')],
      );
    }
  }
}
