import { pause } from '../../src/core/clock';
import { Client, uuidOf } from '../support/client';
import { Feed } from '../support/feed';
import { TestGateway } from '../support/gateway';
import { HoldingUpstream } from '../support/holding-upstream';
import { until } from '../support/until';

jest.setTimeout(180_000);

const minuteMs = 60_000;
const fields = 'status progress estimatedReadyAt estimatedReadyBetween { earliest latest }';

interface Shown {
  status: string;
  progress: number;
  estimatedReadyAt: string | null;
  estimatedReadyBetween: { earliest: string; latest: string } | null;
}

interface Message extends Shown {
  cursor: string;
  isEstimate: boolean;
}

/** Everything that a subscriber has received, in order, with its time. */
interface Recording {
  readonly feed: Feed<Message>;
  readonly received: { readonly atMs: number; readonly message: Message }[];
}

describe('a training at the pace of Picsart that stands at 0 for minutes and then jumps', () => {
  let upstream: HoldingUpstream;
  let gateway: TestGateway;
  let client: Client;
  let id: string;

  beforeAll(async () => {
    upstream = await HoldingUpstream.start();
    gateway = await TestGateway.start(upstream.settings);
    client = new Client(() => gateway.url);
    ({ id } = await client.train({ photoIds: await client.upload() }));
    await until(() => upstream.held.length === 1);
    upstream.state = { status: 'IN_PROGRESS', progress: 0 };
    upstream.answerFirst();
    await client.becomes('model', id, 'TRAINING');
  });

  afterAll(async () => {
    await upstream.stop();
    await gateway.stop();
  });

  /** Lets time pass for the training without subscribers. */
  const pass = (minutes: number): Promise<unknown> =>
    gateway.rows(
      `UPDATE models SET submitted_at = submitted_at - $2 * interval '1 ms',
              pace = jsonb_set(pace, '{atMs}', to_jsonb((pace ->> 'atMs')::float8 - $2)) WHERE id = $1`,
      [uuidOf(id), minutes * minuteMs],
    );

  /** Lets the poller ask the avatar service. */
  const poll = async (state: object): Promise<void> => {
    upstream.state = state;
    const { polls } = upstream;
    await gateway.rows('UPDATE models SET due_at = now() WHERE id = $1', [uuidOf(id)]);
    await gateway.rows(`SELECT pg_notify('likeness', '{"from":"test","work":true}')`);
    await until(() => upstream.polls > polls);
  };

  const follow = (after: string | null): Recording => {
    const received: Recording['received'] = [];
    const query = `subscription ($id: ID!, $after: String) {
      trainingProgress(modelId: $id, after: $after) { ${fields} cursor isEstimate } }`;
    const note = (message: Message): void => void received.push({ atMs: Date.now(), message });
    const payload = { query, variables: { id, after } };
    return {
      feed: Feed.open<Message>('WebSocket', gateway.url, payload, { onMessage: note, onEstimate: note }),
      received,
    };
  };

  const model = async (): Promise<Shown> =>
    (await client.request<{ model: Shown }>(`query ($id: ID!) { model(id: $id) { ${fields} } }`, { id }))
      .model;

  const last = ({ received }: Recording): Message => received.at(-1)!.message;

  /** Lets time pass in steps of five seconds, and returns the progress after each. */
  const passInSteps = async (minutes: number): Promise<number[]> => {
    const shown: number[] = [];
    for (let step = 0; step < minutes * 12; step += 1) {
      await pass(1 / 12);
      shown.push((await model()).progress);
    }
    return shown;
  };

  /** Checks the progress at successive times before the end. */
  const expectGradual = (progress: readonly number[]): void => {
    for (const [index, next] of progress.slice(1).entries()) {
      expect(next).toBeGreaterThanOrEqual(progress[index]!);
      expect(next - progress[index]!).toBeLessThanOrEqual(10);
    }
  };

  const submittedMs = async (): Promise<number> =>
    (
      await gateway.rows<{ ms: number }>(
        'SELECT extract(epoch FROM submitted_at)::float8 * 1000 AS ms FROM models WHERE id = $1',
        [uuidOf(id)],
      )
    )[0]!.ms;

  /** Checks everything that was received before the end. */
  const expectSmooth = ({ received }: Recording): void => {
    expectGradual(received.map(({ message }) => message.progress));
    const ticks = received.filter(({ message }) => message.isEstimate);
    // The first and the last one may be less than a second from the ends.
    expect(ticks.length).toBeLessThanOrEqual((received.at(-1)!.atMs - received[0]!.atMs) / 1_000 + 2);
    for (const { message } of received) {
      const { earliest, latest } = message.estimatedReadyBetween!;
      expect([earliest, message.estimatedReadyAt, latest]).toEqual(
        [earliest, message.estimatedReadyAt!, latest].sort(),
      );
    }
  };

  it('rises smoothly, agrees with queries, and ends within the expected interval', async () => {
    const shown = [(await model()).progress];
    for (const minutes of [3, 2, 2, 2]) {
      shown.push(...(await passInSteps(minutes)));
      const returning = follow(null);
      await until(() => returning.received.length > 0);
      shown.push(last(returning).progress);
      returning.feed.drop();
      await poll({ status: 'IN_PROGRESS', progress: 0 });
    }
    expect(shown[0]).toBeLessThan(10);
    const waiting = follow(null);
    await until(() => waiting.received.length > 0);
    await poll({ status: 'IN_PROGRESS', progress: 0 });
    const first = waiting.received[0]!.message;
    // By time alone: the avatar service says 0.
    expect(first.progress).toBeGreaterThan(30);
    expectGradual([...shown, first.progress]);
    await until(() => waiting.feed.estimates.some(({ progress }) => progress > first.progress), 60_000);

    await poll({ status: 'IN_PROGRESS', progress: 75 });
    const asked: number[] = [];
    while (last(waiting).progress < 75) {
      asked.push((await model()).progress);
      await pause(200);
    }
    expect(asked).toEqual([...asked].sort((one, other) => one - other));
    expect(await model()).toMatchObject({ status: 'TRAINING', progress: last(waiting).progress });
    expectSmooth(waiting);
    waiting.feed.drop();

    expectGradual([last(waiting).progress, ...(await passInSteps(6))]);
    const returned = follow(last(waiting).cursor);
    await poll({ status: 'IN_PROGRESS', progress: 75 });
    await until(() => returned.received.length > 0);
    expectSmooth(returned);
    expect(returned.received[0]!.message.progress).toBeGreaterThanOrEqual(last(waiting).progress);
    await poll({ status: 'DONE' });
    await until(() => returned.feed.end !== null);
    expect(last(returned)).toMatchObject({ status: 'READY', progress: 100, estimatedReadyBetween: null });
    expect(await model()).toMatchObject({ status: 'READY', progress: 100 });
    const elapsedMs = Date.now() - (await submittedMs());
    const expectedMs = first.estimatedReadyBetween!;
    // The first interval is that of nine minutes after the submission, which has moved by six.
    expect(elapsedMs).toBeGreaterThan(Date.parse(expectedMs.earliest) - (await submittedMs()) - 6 * minuteMs);
    expect(elapsedMs).toBeLessThan(Date.parse(expectedMs.latest) - (await submittedMs()) - 6 * minuteMs);
  });
});
