import { presentModel, type ActivityEntry, type ActivityItem } from '../../src/activity/activity-change';
import { EstimateCounts, maxEstimatedJobs } from '../../src/activity/activity-estimates';
import { ActivityFollowing, type ActivityStart } from '../../src/activity/activity-following';
import type { Listener } from '../../src/core/push-source';
import type { StoredEvent } from '../../src/events/event';
import type { Followed } from '../../src/events/follow';
import type { EventSubscription } from '../../src/events/subscription';
import { startPace } from '../../src/jobs/pace';
import { ProgressTicks } from '../../src/jobs/progress-ticks';
import { modelPayload, type PresentModel } from '../../src/models/model.kind';

const startMs = Date.UTC(2026, 5, 1);
const durations = Array.from({ length: 21 }, (_, index) => 60_000 + index * 6_000);
const ownerStreamId = '00000000-0000-7000-8000-00000000aaaa';
const idOf = (index: number): string => `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`;

/** A model that trains, as read at a position of its stream. */
function training(index: number, sequence = 3): PresentModel {
  const row = {
    ...Object.fromEntries(modelPayload.properties.map((property) => [property, null])),
    ...{ id: idOf(index), owner: 'ann', name: `Model ${index}`, status: 'TRAINING', progress: 0, attempt: 1 },
    ...{ submittedAt: new Date(startMs), pace: startPace(durations, startMs, true), sequence },
  };
  return row as unknown as PresentModel;
}

/** A model that waits. */
function queued(index: number): PresentModel {
  return { ...training(index), status: 'QUEUED', submittedAt: null, pace: null };
}

/** The event of a model: number `sequence` of the owner, and `position` in the stream of the model. */
function eventOf(sequence: number, row: PresentModel, position: number): StoredEvent {
  return {
    ...{ streamId: ownerStreamId, sequence, kind: 'MODEL', subjectId: row.id, generationId: null },
    payload: JSON.parse(JSON.stringify(modelPayload.write(row))) as Record<string, unknown>,
    ...{ createdAt: new Date(startMs), origin: { streamId: row.id, sequence: position } },
  };
}

/** The events of the owner, which the test appends. */
class Events {
  private listener: Listener<StoredEvent> | null = null;
  private readonly waiting: StoredEvent[] = [];

  /** Those that wait are read by `next()`. */
  constructor(...events: StoredEvent[]) {
    this.waiting = events;
  }

  attach(listener: Listener<StoredEvent>): boolean {
    this.listener = listener;
    return true;
  }

  detach(): void {
    this.listener = null;
  }

  send(event: StoredEvent): void {
    this.listener!.onItem(event);
  }

  next(): Promise<IteratorResult<StoredEvent, undefined>> {
    return Promise.resolve({ value: this.waiting.shift()!, done: false });
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    return Promise.resolve({ value: undefined, done: true });
  }
}

/** A process with subscribers to the activity of one owner. The clock is the test's. */
class Process {
  nowMs = startMs;
  private readonly ticks = new ProgressTicks({ nowMs: () => this.nowMs });
  private readonly counts = new EstimateCounts();

  /** Subscribes, and reads `read` items before the others are pushed. */
  async follow(
    events: Events,
    start: Partial<ActivityStart>,
    read: number,
  ): Promise<{ sent: Followed<ActivityItem>[]; end: () => Promise<unknown> }> {
    const whole = { ownerStreamId, position: 1, head: 1, present: [], isSnapshot: true, hasGap: false };
    const { ticks, counts } = this;
    const following = new ActivityFollowing(
      events as unknown as EventSubscription,
      { ...whole, ...start },
      {
        matches: () => true,
        estimates: { ticks, counts, owner: 'ann' },
        nowMs: () => this.nowMs,
      },
    );
    const sent: Followed<ActivityItem>[] = [];
    for (let index = 0; index < read; index += 1) sent.push((await following.next()).value!);
    following.attach({ onItem: (item) => sent.push(item), onEnd: () => undefined });
    return { sent, end: () => following.return() };
  }

  present(...rows: PresentModel[]): ActivityEntry[] {
    return rows.map((row) => presentModel(row, this.nowMs));
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.nowMs += 1_000;
      await jest.advanceTimersByTimeAsync(1_000);
    }
  }
}

/** The ids of models whose estimates were sent. */
function estimated(sent: readonly Followed<ActivityItem>[]): Set<string> {
  const pasts = sent.map(({ item }) => item.past);
  return new Set(pasts.flatMap((past) => ('isEstimate' in past && past.isEstimate ? [past.id] : [])));
}

const wordsOf = (sent: readonly Followed<ActivityItem>[]): string[] =>
  sent.map(({ item: { past } }) => ('name' in past ? `${past.name}: ${past.status}` : past.typename));

describe('a subscriber to activity', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('does not receive events again that the snapshot includes, and receives those of other jobs', async () => {
    const process = new Process();
    const ready = { ...training(1), status: 'READY' } as PresentModel;
    const events = new Events(eventOf(2, training(1), 3), eventOf(3, training(2), 4), eventOf(4, ready, 4));
    const { sent } = await process.follow(events, { head: 3, present: process.present(training(1)) }, 4);
    events.send(eventOf(5, ready, 3));
    expect(wordsOf(sent)).toEqual([
      ...['Model 1: TRAINING', 'CaughtUp', 'Model 2: TRAINING', 'Model 1: READY'],
      // After the head, every event is sent.
      'Model 1: READY',
    ]);
  });

  it('receives estimates after it has resumed without a change', async () => {
    const process = new Process();
    const start = { present: process.present(training(1)), isSnapshot: false };
    const { sent } = await process.follow(new Events(), start, 1);
    await process.pass(20);
    expect(wordsOf(sent.slice(0, 1))).toEqual(['CaughtUp']);
    expect([...estimated(sent)]).toEqual([idOf(1)]);
    expect(sent[1]).toMatchObject({ isSnapshot: false, item: { past: { typename: 'ModelChanged' } } });
  });

  it('receives no estimates of what has ended since it caught up', async () => {
    const process = new Process();
    const events = new Events();
    const start = { present: process.present(training(1), training(2)) };
    const { sent } = await process.follow(events, start, 3);
    events.send(eventOf(2, { ...training(1), status: 'CANCELLED' }, 4));
    events.send({ ...eventOf(3, training(2), 5), kind: 'DELETED', payload: { subject: 'MODEL' } });
    await process.pass(20);
    expect([...estimated(sent)]).toEqual([]);
    expect(wordsOf(sent.slice(3))).toEqual(['Model 1: CANCELLED', 'ModelDeleted']);
  });

  it('receives no estimates of what has ended before it caught up', async () => {
    const process = new Process();
    const ended = { ...training(1), status: 'READY' } as PresentModel;
    const start = { head: 2, present: process.present(training(1), training(2)), isSnapshot: false };
    const { sent } = await process.follow(new Events(eventOf(2, ended, 4)), start, 2);
    await process.pass(20);
    expect([...estimated(sent)]).toEqual([idOf(2)]);
  });

  it.each([true, false])(
    'receives estimates of the newest jobs only, with isSnapshot: %s',
    async (isSnapshot) => {
      const process = new Process();
      const rows = Array.from({ length: maxEstimatedJobs + 20 }, (_, index) => training(index + 1));
      const start = { present: process.present(...rows.slice(60), ...rows.slice(0, 60)), isSnapshot };
      const events = new Events();
      const { sent } = await process.follow(events, start, isSnapshot ? rows.length + 1 : 1);
      await process.pass(20);
      expect(estimated(sent)).toEqual(new Set(rows.slice(20).map(({ id }) => id)));
      // A change begins the estimates of its job, and ends those of the one that has not changed for longest.
      events.send(eventOf(2, training(61), 5));
      events.send(eventOf(3, training(1), 5));
      sent.splice(0);
      await process.pass(20);
      const without = idOf(62);
      expect(estimated(sent)).toEqual(
        new Set([idOf(1), ...rows.slice(20).map(({ id }) => id)].filter((id) => id !== without)),
      );
    },
  );

  it.each([true, false])(
    'receives estimates of the jobs that run although more wait that changed later, with isSnapshot: %s',
    async (isSnapshot) => {
      const process = new Process();
      const running = Array.from({ length: 5 }, (_, index) => training(index + 1));
      const waiting = Array.from({ length: maxEstimatedJobs }, (_, index) => queued(index + 10));
      const present = process.present(...running, ...waiting);
      const events = new Events();
      const { sent } = await process.follow(events, { present, isSnapshot }, isSnapshot ? 106 : 1);
      for (const [index, row] of waiting.entries())
        events.send(eventOf(2 + index, { ...row, id: idOf(1_000 + index) }, 4));
      await process.pass(20);
      expect([...estimated(sent)].sort()).toEqual(running.map(({ id }) => id));
    },
  );

  it('receives estimates of running jobs in place of those that were put back into the queue', async () => {
    const process = new Process();
    const rows = Array.from({ length: maxEstimatedJobs }, (_, index) => training(index + 1));
    const events = new Events();
    const { sent } = await process.follow(events, { present: process.present(...rows) }, rows.length + 1);
    // The other jobs have not changed for longer than the job that waits.
    events.send(eventOf(2, { ...queued(maxEstimatedJobs), attempt: 1 }, 4));
    events.send(eventOf(3, training(maxEstimatedJobs + 1), 4));
    await process.pass(20);
    expect(estimated(sent)).toEqual(
      new Set([...rows.slice(0, -1).map(({ id }) => id), idOf(maxEstimatedJobs + 1)]),
    );
  });

  it('receives estimates of at most 10,000 jobs in all subscriptions of an owner', async () => {
    const process = new Process();
    const rows = Array.from({ length: maxEstimatedJobs }, (_, index) => training(index + 1));
    const start = { present: process.present(...rows), isSnapshot: false };
    const first = await process.follow(new Events(), start, 1);
    for (let index = 1; index < 100; index += 1) await process.follow(new Events(), start, 1);
    const without = await process.follow(new Events(), start, 1);
    await process.pass(10);
    expect([estimated(first.sent).size, estimated(without.sent).size]).toEqual([maxEstimatedJobs, 0]);
    await first.end();
    const last = await process.follow(new Events(), start, 1);
    await process.pass(20);
    expect(estimated(last.sent).size).toBe(maxEstimatedJobs);
    await last.end();
  });
});
