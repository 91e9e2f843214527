import type { Listener } from '../../src/core/push-source';
import type { Followed, Following } from '../../src/events/follow';
import { afterPoll, shownAt, shownProgress, startPace } from '../../src/jobs/pace';
import { ProgressTicks, type PacedChange, type PacedPayload } from '../../src/jobs/progress-ticks';
import { TickedFollowing } from '../../src/jobs/ticked-following';
import { modelKind } from '../../src/models/model.kind';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 5, 1);
const even = (minMs: number, maxMs: number): number[] =>
  Array.from({ length: 21 }, (_, index) => minMs + ((maxMs - minMs) * index) / 20);

type Sent = Followed<PacedChange<PacedPayload, null>>;

/** The changes of one job, which the test appends. */
class ScriptedFollowing implements Following<PacedChange<PacedPayload, null>> {
  private listener: Listener<Sent> | null = null;

  attach(listener: Listener<Sent>): boolean {
    this.listener = listener;
    return true;
  }

  detach(): void {
    this.listener = null;
  }

  send(change: Sent): void {
    this.listener?.onItem(change);
  }

  next(): Promise<IteratorReturnResult<undefined>> {
    return this.return();
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** A training with its stored changes, and subscribers in one process. The clock is the test's. */
class Followers {
  nowMs = startMs;
  private sequence = 1;
  job: PacedPayload = {
    status: 'TRAINING',
    progress: 0,
    attempt: 1,
    submittedAt: new Date(startMs),
    estimatedReadyAt: null,
    pace: startPace(even(5 * minuteMs, 20 * minuteMs), startMs, true),
  };
  private readonly ticks = new ProgressTicks({ nowMs: () => this.nowMs });
  private readonly sources: ScriptedFollowing[] = [];

  /** Subscribes, and returns what is sent. */
  follow({ receivesState = true } = {}): {
    sent: Sent[];
    subscription: Following<PacedChange<PacedPayload, null>>;
  } {
    const source = new ScriptedFollowing();
    this.sources.push(source);
    const subscription = new TickedFollowing(this.ticks, { kind: modelKind, id: 'job' }, source, null);
    const sent: Sent[] = [];
    subscription.attach({ onItem: (change) => sent.push(change), onEnd: () => undefined });
    if (receivesState) source.send(this.change(true));
    return { sent, subscription };
  }

  /** Stores a change and sends it to all subscribers. */
  store(changes: Partial<PacedPayload>): void {
    this.job = { ...this.job, ...changes };
    this.sequence += 1;
    const change = this.change(false);
    for (const source of this.sources) source.send(change);
  }

  /** Sends the present change to the subscriber that came last. */
  resend(): void {
    this.sources.at(-1)!.send(this.change(false));
  }

  poll(reported?: number): void {
    this.store(afterPoll(modelKind, this.job, reported, this.nowMs));
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.nowMs += 1_000;
      await jest.advanceTimersByTimeAsync(1_000);
    }
  }

  private change(isSnapshot: boolean): Sent {
    const { job, sequence, nowMs } = this;
    const progress = isSnapshot ? shownProgress(modelKind, job, nowMs) : job.progress;
    const past = { ...job, ...shownAt(modelKind, job, nowMs), progress };
    const item = { past, row: null, job, sequence };
    return { item, cursor: `cursor ${sequence}`, isSnapshot, occurredAt: new Date(nowMs) };
  }
}

const progressOf = (sent: readonly Sent[]): number[] => sent.map(({ item }) => item.past.progress);
const estimatesIn = (sent: readonly Sent[]): Sent[] => sent.filter(({ item }) => item.past.isEstimate);

describe('the progress that a subscriber receives', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it.each<[string, (elapsedMs: number) => number | undefined]>([
    ['reports nothing', () => undefined],
    ['reports its progress', (elapsedMs) => (100 * elapsedMs) / (13 * minuteMs)],
    ['reports 100 early, and less later', (elapsedMs) => (elapsedMs < 6 * minuteMs ? 100 : 10)],
    ['reports in jumps', (elapsedMs) => (elapsedMs < 8 * minuteMs ? 1 : 70)],
  ])(
    'never goes back and has no steps of more than 10 points before the end, at the pace of Picsart, from a service that %s',
    async (_, report) => {
      const followers = new Followers();
      const { sent } = followers.follow();
      // A first poll after 5 minutes, then every 2; done after 13.
      for (const seconds of [300, 120, 120, 120, 120]) {
        await followers.pass(seconds);
        followers.poll(report(followers.nowMs - startMs));
      }
      followers.store({ status: 'READY', progress: 100, pace: null });
      const received = progressOf(sent);
      const steps = received.slice(1, -1).map((progress, index) => progress - received[index]!);
      expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...steps)).toBeLessThanOrEqual(10);
      expect(received.at(-2)).toBeLessThan(100);
      expect(received.at(-1)).toBe(100);
      // The bar moves in each minute.
      const moments = sent.map(({ occurredAt }) => occurredAt!.getTime());
      const waits = moments.slice(1).map((ms, index) => ms - moments[index]!);
      expect(Math.max(...waits)).toBeLessThanOrEqual(2 * minuteMs);
      expect(
        Math.min(
          ...estimatesIn(sent)
            .slice(1)
            .map(
              ({ occurredAt }, index) =>
                occurredAt!.getTime() - estimatesIn(sent)[index]!.occurredAt!.getTime(),
            ),
        ),
      ).toBeGreaterThanOrEqual(1_000);
    },
  );

  it('is computed once for all subscribers, with the cursor of their last stored change', async () => {
    const followers = new Followers();
    const [first, second] = [followers.follow(), followers.follow()];
    await followers.pass(30);
    followers.poll();
    await followers.pass(30);
    expect(estimatesIn(first.sent).length).toBeGreaterThan(2);
    const items = (sent: readonly Sent[]): object[] => estimatesIn(sent).map(({ item }) => item);
    items(first.sent).forEach((item, index) => {
      expect(items(second.sent)[index]).toBe(item);
    });
    const cursors = estimatesIn(first.sent).map(({ cursor }) => cursor);
    expect(new Set(cursors)).toEqual(new Set(['cursor 1', 'cursor 2']));
  });

  it('has no estimates before the subscriber has received the present state, while it does not read, and after the end', async () => {
    const followers = new Followers();
    const behind = followers.follow({ receivesState: false });
    const slow = followers.follow();
    const { sent } = followers.follow();
    slow.subscription.detach();
    await followers.pass(30);
    expect(behind.sent).toEqual([]);
    expect(slow.sent).toHaveLength(1);
    followers.store({
      status: 'FAILED',
      progress: shownProgress(modelKind, followers.job, followers.nowMs),
      pace: null,
    });
    const count = sent.length;
    await followers.pass(60);
    expect(sent).toHaveLength(count);
  });

  it('is never less than an estimate that was sent, although a change with less was stored late', async () => {
    const followers = new Followers();
    const { sent } = followers.follow();
    await followers.pass(120);
    const shown = sent.at(-1)!.item.past.progress;
    expect(shown).toBeGreaterThan(10);
    followers.store({ progress: shown - 3 });
    expect(sent.at(-1)!.item.past).toMatchObject({ progress: shown, isEstimate: false });
  });

  it('is as it was stored for a subscriber that has received no estimate', async () => {
    const followers = new Followers();
    followers.follow();
    const late = followers.follow({ receivesState: false });
    await followers.pass(120);
    followers.resend();
    expect(progressOf(late.sent)).toEqual([0]);
  });

  it('begins again with a retry', async () => {
    const followers = new Followers();
    const { sent } = followers.follow();
    await followers.pass(120);
    followers.store({ status: 'QUEUED', progress: 0, pace: null, submittedAt: null });
    expect(sent.at(-1)!.item.past.progress).toBe(0);
    const pace = startPace(even(5 * minuteMs, 20 * minuteMs), followers.nowMs, true);
    followers.store({ status: 'TRAINING', attempt: 2, submittedAt: new Date(followers.nowMs), pace });
    await followers.pass(20);
    expect(sent.at(-1)!.item.past).toMatchObject({ progress: 2, isEstimate: true });
  });

  it('catches up in steps after the process was stopped, and stands still when the clock is set back', async () => {
    const followers = new Followers();
    const { sent } = followers.follow();
    await followers.pass(60);
    const before = sent.at(-1)!.item.past.progress;
    followers.nowMs += 10 * minuteMs;
    await followers.pass(1);
    expect(sent.at(-1)!.item.past.progress).toBe(before + 10);
    followers.nowMs -= 8 * minuteMs;
    await followers.pass(30);
    expect(progressOf(sent)).toEqual([...progressOf(sent)].sort((a, b) => a - b));
  });

  it('needs no timer without subscribers', async () => {
    const followers = new Followers();
    const { subscription } = followers.follow();
    expect(jest.getTimerCount()).toBe(1);
    await subscription.return();
    await subscription.return();
    expect(jest.getTimerCount()).toBe(0);
  });
});
