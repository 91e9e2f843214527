import { Client } from '../support/client';
import { Feed, type StreamTransport } from '../support/feed';
import { TestGateway } from '../support/gateway';

/** A training takes 20 minutes at speed 1, and 24 seconds at this. */
const sandboxSpeed = '50';

let gateway: TestGateway;
let other: TestGateway;
let photoIds: string[];

beforeAll(async () => {
  gateway = await TestGateway.start({ SANDBOX_SPEED: sandboxSpeed });
  // It has no photos: only the first process submits trainings.
  other = await gateway.startAnother({ ROLE: 'api', SANDBOX_SPEED: sandboxSpeed });
  photoIds = await new Client(() => gateway.url).upload();
});

afterAll(() => gateway.stop());

interface Message {
  status: string;
  progress: number;
  cursor: string;
  isEstimate: boolean;
  isSnapshot: boolean;
  estimatedReadyAt: string | null;
  estimatedReadyBetween: { earliest: string; latest: string } | null;
  model: { progress: number; updatedAt: string };
}

const fields = `failure { code message } status progress estimatedReadyAt estimatedReadyBetween { earliest latest }`;
const document = `subscription ($id: ID!, $after: String) {
  trainingProgress(modelId: $id, after: $after) { ${fields} cursor isSnapshot isEstimate model { progress updatedAt } } }`;

/** Subscribes, and notes all messages in order. */
function follow(
  url: string,
  id: string,
  after: string | null,
  transport: StreamTransport,
): { feed: Feed<Message>; all: () => Message[] } {
  const feed = Feed.open<Message>(transport, url, { query: document, variables: { id, after } });
  return { feed, all: () => [...feed.messages, ...feed.estimates] };
}

const expectNeverBack = (progress: readonly number[]): void => {
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
};

describe.each<StreamTransport>(['WebSocket', 'SSE'])('estimated progress over %s', (transport) => {
  it('fills the time between stored changes, agrees with queries of all processes, and is not repeated after its cursor', async () => {
    const client = new Client(() => gateway.url);
    const { id } = await client.train({ photoIds, name: transport });
    const first = follow(gateway.url, id, null, transport);
    await first.feed.until(() => first.feed.estimates.length >= 3);
    first.feed.drop();
    const estimates = [...first.feed.estimates];
    const stored = first.feed.messages.map(({ cursor }) => cursor);
    expect(estimates.every(({ status, isSnapshot }) => status === 'TRAINING' && !isSnapshot)).toBe(true);
    expect(stored).toContain(estimates.at(-1)!.cursor);
    expectNeverBack(estimates.map(({ progress }) => progress));
    for (const { model, progress, estimatedReadyAt, estimatedReadyBetween } of estimates) {
      expect(model.progress).toBeGreaterThanOrEqual(progress);
      const { earliest, latest } = estimatedReadyBetween!;
      expect([earliest, estimatedReadyAt, latest]).toEqual([earliest, estimatedReadyAt, latest].sort());
    }

    const read: number[] = [estimates.at(-1)!.progress];
    for (const { url } of [gateway, other, gateway]) {
      const query = `query ($id: ID!) { model(id: $id) { ${fields} } }`;
      const { model } = await new Client(() => url).request<{ model: Message }>(query, { id });
      expect(model.estimatedReadyBetween!.earliest <= model.estimatedReadyBetween!.latest).toBe(true);
      read.push(model.progress);
    }
    expectNeverBack(read);

    // Resumes in another process.
    const second = follow(other.url, id, estimates.at(-1)!.cursor, transport);
    await second.feed.ended(120_000);
    const { messages } = second.feed;
    expect(messages.at(-1)).toMatchObject({ status: 'READY', progress: 100, estimatedReadyBetween: null });
    expect(messages.every(({ isSnapshot }) => !isSnapshot)).toBe(true);
    const cursors = [...stored, ...messages.map(({ cursor }) => cursor)];
    expect(new Set(cursors).size).toBe(cursors.length);
    expectNeverBack([read.at(-1)!, ...messages.map(({ progress }) => progress)]);
    const events = await gateway.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM events JOIN models ON models.id = stream_id
        WHERE models.name = $1 AND events.kind = 'MODEL' AND sequence > 1`,
      [transport],
    );
    expect(events[0]!.count).toBeGreaterThanOrEqual(messages.length);
    for (const message of second.all()) expect(message.isEstimate ? message.progress : 0).toBeLessThan(100);
  }, 180_000);
});
