import { buildSchema, parse, type ExecutionResult } from 'graphql';
import { pino } from 'pino';
import { DomainError } from '../../src/core/errors';
import { localViewer } from '../../src/core/viewer';
import { createContext } from '../../src/graphql/context';
import { Operations } from '../../src/http/graphql/operations';
import { RequestWaits } from '../../src/http/graphql/request-waits';
import type { AwaitedJob, NextChange } from '../../src/jobs/job-waits';

const schema = buildSchema(
  'type Query { model(id: ID!, waitMs: Int! = 0, after: String): AvatarModel } type AvatarModel { id: ID! }',
);
const id = `model_${'0'.repeat(31)}1`;
const cursor = 'A'.repeat(32);
const document = parse(`{ model(id: "${id}", waitMs: 30000, after: "${cursor}") { id } }`);

/** Operations with a time limit of 20 ms, and the changes that they wait for. */
function gateway(
  open?: (change: NextChange) => Promise<NextChange>,
  viewer = localViewer,
): {
  respond: (client?: AbortSignal) => Promise<ExecutionResult>;
  changes: FakeChange[];
  counts: number[];
  asked: AwaitedJob[];
  waits: RequestWaits;
} {
  const [changes, counts, asked]: [FakeChange[], number[], AwaitedJob[]] = [[], [], []];
  const waits = new RequestWaits({
    ...{
      maxWaits: 10,
      maxPerOwner: 10,
      isRevoked: (id) => id === 'revoked',
      onCount: (count) => void counts.push(count),
    },
    open: (_viewer, awaited) => {
      asked.push(awaited);
      const change = new FakeChange();
      changes.push(change);
      return open ? open(change) : Promise.resolve(change);
    },
  });
  const operations = new Operations({
    schema,
    waits,
    introspection: true,
    logger: pino({ enabled: false }),
    deadlineMs: 20,
  });
  return {
    ...{ changes, counts, asked, waits },
    respond: (client = new AbortController().signal) => {
      const context = createContext(viewer, 'request');
      const args = {
        schema,
        document,
        rootValue: { model: () => ({ id: context.waitFailure?.message ?? 'answered' }) },
      };
      return operations.respondAfterWait(args, context, client);
    },
  };
}

class FakeChange implements NextChange {
  happen: () => void = () => undefined;
  isStopped = false;
  readonly happened = new Promise<void>((resolve) => (this.happen = resolve));

  stop(): void {
    this.isStopped = true;
    this.happen();
  }
}

const answered = { data: { model: { id: 'answered' } } };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('the wait of an operation', () => {
  it('is not part of its time limit, and ends at the change', async () => {
    const { respond, changes, counts, asked } = gateway();
    const responding = respond();
    await pause(100);
    changes[0]!.happen();
    expect(await responding).toEqual(answered);
    expect(asked).toEqual([
      { kind: 'AvatarModel', id: `${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(11)}1`, after: cursor },
    ]);
    expect(counts).toEqual([1, 0]);
  });

  it('begins within the time limit, and releases a change that is found later', async () => {
    let find: () => void = () => undefined;
    const { respond, changes, counts } = gateway(
      (change) => new Promise((resolve) => (find = () => resolve(change))),
    );
    expect(await respond()).toEqual({
      data: { model: { id: expect.stringContaining('took longer than 0.02 s') as string } },
    });
    find();
    await pause(0);
    expect(changes[0]!.isStopped).toBe(true);
    expect(counts).toEqual([1, 0]);
  });

  it('that cannot begin fails the field', async () => {
    const { respond, counts } = gateway(() =>
      Promise.reject(new DomainError('SERVICE_UNAVAILABLE', 'No database.')),
    );
    expect(await respond()).toEqual({ data: { model: { id: 'No database.' } } });
    expect(counts).toEqual([1, 0]);
  });

  it('ends when the client leaves, also before it has begun', async () => {
    const { respond, changes } = gateway();
    const client = new AbortController();
    const responding = respond(client.signal);
    await pause(0);
    client.abort();
    await responding;
    await respond(client.signal);
    expect(changes.map(({ isStopped }) => isStopped)).toEqual([true, true]);
  });

  it('ends at the stop of the process, also while it begins, and later operations do not wait', async () => {
    let find: () => void = () => undefined;
    const { respond, changes, waits } = gateway(
      (change) => new Promise((resolve) => (find = () => resolve(change))),
    );
    const responding = respond();
    await pause(0);
    waits.stop();
    find();
    expect(await responding).toEqual(answered);
    expect(changes[0]!.isStopped).toBe(true);
    expect(await respond()).toEqual(answered);
    expect(changes).toHaveLength(1);
  });

  it('refuses the request when the credentials expire', async () => {
    const { respond, changes } = gateway(undefined, { ...localViewer, expiresAtMs: Date.now() + 50 });
    const { data, errors } = await respond();
    expect(data).toBeUndefined();
    expect(errors![0]!.originalError).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(changes[0]!.isStopped).toBe(true);
  });
});
