import { newId, toGlobalId } from '../../src/core/ids';
import { decodeEventCursor } from '../../src/events/event';
import { FaultsEnvironment } from '../support/faults-environment';
import { SocketClient } from '../support/raw-client';
import { StatementWatch } from '../support/statements';
import { until } from '../support/until';

jest.setTimeout(120_000);

const streamCount = 40;
const subscribersEach = 5;

const query = `subscription ($id: ID!, $after: String) {
  it: trainingProgress(modelId: $id, after: $after) { progress cursor isSnapshot }
}`;

/** A client that resumes with its last cursor. */
class Subscriber {
  readonly received: { progress: number; cursor: string; isSnapshot: boolean }[] = [];
  private socket: SocketClient | null = null;
  private previous = 0;

  constructor(readonly modelId: string) {}

  async connect(url: string): Promise<void> {
    this.socket = await SocketClient.greeted(url);
  }

  subscribe(): void {
    this.previous = this.received.length;
    const after = this.received.at(-1)?.cursor ?? null;
    this.socket!.subscribe('1', query, { id: toGlobalId('AvatarModel', this.modelId), after });
  }

  /** Waits until it has received this number of messages in all. */
  async until(count: number): Promise<void> {
    await until(() => this.previous + this.socket!.of('1').length >= count);
    const messages = this.socket!.of('1').slice(this.received.length - this.previous);
    for (const { payload } of messages) {
      this.received.push((payload as { data: { it: Subscriber['received'][number] } }).data.it);
    }
  }

  close(): void {
    this.socket?.socket.terminate();
  }
}

describe('200 subscribers of a gateway that is killed', () => {
  let environment: FaultsEnvironment;
  let watch: StatementWatch;
  const models = Array.from({ length: streamCount }, () => newId());
  const subscribers = models.flatMap((id) =>
    Array.from({ length: subscribersEach }, () => new Subscriber(id)),
  );
  const untilAll = (count: number): Promise<unknown> =>
    Promise.all(subscribers.map((subscriber) => subscriber.until(count)));
  /** All subscribe at once, however long their connections take. */
  const connectAll = async (): Promise<void> => {
    await Promise.all(subscribers.map((subscriber) => subscriber.connect(environment.url)));
    for (const subscriber of subscribers) subscriber.subscribe();
  };

  beforeAll(async () => {
    // Without workers, every event is one of the test.
    environment = await FaultsEnvironment.open({ maxFollowed: 0, settings: { ROLE: 'api' } });
    watch = await StatementWatch.start(environment.databaseUrl);
    await environment.rows(
      `WITH created AS (
         INSERT INTO models (id, owner, provider, name, type, photo_count, status, progress, provider_ref, due_at, deadline_at)
         SELECT id, 'local', 'picsart', 'storm', 'CAT', 5, 'TRAINING', 0, id, now() + interval '1 day', now() + interval '2 days'
           FROM unnest($1::uuid[]) AS id RETURNING id)
       INSERT INTO streams (id, owner) SELECT id, 'local' FROM created RETURNING id`,
      [models],
    );
  });

  afterAll(async () => {
    for (const subscriber of subscribers) subscriber.close();
    await environment.stop();
    await watch.stop();
  });

  /** Appends an event to each stream, of a progress. */
  const publish = (progress: number): Promise<unknown> =>
    environment.rows(
      `WITH moved AS (UPDATE models SET progress = $2 WHERE id = ANY($1) RETURNING *),
            counted AS (UPDATE streams SET sequence = sequence + 1 WHERE id = ANY($1) RETURNING id, sequence),
            appended AS (
              INSERT INTO events (stream_id, sequence, kind, subject_id, payload)
              SELECT m.id, c.sequence, 'MODEL', m.id, jsonb_build_object(
                       'id', m.id, 'owner', m.owner, 'provider', m.provider, 'status', m.status, 'progress', m.progress,
                       'attempt', m.attempt, 'name', m.name, 'type', m.type, 'providerRef', m.provider_ref,
                       'createdAt', m.created_at)
                FROM moved m JOIN counted c ON c.id = m.id)
       SELECT pg_notify('likeness', json_build_object('from', 'test', 'streams', $1::uuid[])::text)`,
      [models, progress],
    );

  it('come back with one read of missed events for all of them, without gaps or duplicates', async () => {
    await connectAll();
    await untilAll(1);
    await publish(10);
    await untilAll(2);
    await environment.gateway.kill();
    for (const progress of [20, 30, 40]) await publish(progress);
    await environment.restartGateway(0, { DATABASE_URL: watch.url });

    const statements = await watch.during(async () => {
      await connectAll();
      await untilAll(5);
    });
    const catchUps = statements.filter((text) => text.includes('FROM events WHERE stream_id = f.stream_id'));
    const openings = statements.filter((text) => text.includes('JOIN streams s ON s.id = models.id'));
    expect(catchUps.length).toBeLessThan(streamCount);
    expect(openings.length).toBeLessThan(streamCount);

    await publish(50);
    await untilAll(6);
    for (const { modelId, received } of subscribers) {
      expect(received.map(({ progress }) => progress)).toEqual([0, 10, 20, 30, 40, 50]);
      expect(received.map(({ isSnapshot }) => isSnapshot)).toEqual([true, false, false, false, false, false]);
      expect(received.map(({ cursor }) => decodeEventCursor(cursor, modelId))).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });
});
