import { withinMs } from '../core/clock';
import type { DueQuery } from '../core/due';
import type { Sql } from '../core/sql';
import { readDueTimes, type RunDueTimes } from './due.repository';

/**
 * The minimum time between two reads, in milliseconds; requests in between are answered by one read. Slow reads are
 * less frequent, so that the search in a long backlog costs at most a tenth of a connection's time.
 */
const minAge = { ms: 10, perReadMs: 10, maxMs: 250 } as const;

/** The maximum time of a read, in milliseconds: its connection may be dead. */
const maxReadMs = 20_000;

/** The maximum time of a read after which the next periodic one uses the connection for wake-ups, in milliseconds. */
const maxSharedReadMs = 250;

/** Options of {@link Agenda}. */
export interface AgendaOptions {
  /**
   * The maximum time between two reads while tasks wait, in milliseconds: rows may become due without a wake-up.
   * @defaultValue 10_000 // 10 seconds
   */
  maxAgeMs?: number;
  /**
   * Runs a periodic read on the connection for wake-ups, which is so checked by the same statement; null if it cannot.
   * @defaultValue none
   */
  readByWakeups?: (...statement: Parameters<RunDueTimes>) => ReturnType<RunDueTimes> | null;
}

/** A task that waits for due work. */
interface Waiter {
  due: DueQuery;
  resolve: () => void;
  /** When its work is due, in milliseconds of `performance.now()`; null if none was known at the last read. */
  dueAtMs: number | null;
}

/**
 * Wakes tasks when their work is due. One statement reads the next due times of all tasks that wait: when a
 * task starts to wait, when something may have changed ({@link refresh}), and periodically. In between, timers
 * end the waits without a statement.
 */
export class Agenda {
  private readonly waiting = new Set<Waiter>();
  private timer: NodeJS.Timeout | null = null;
  private lastReadMs = -Infinity;
  private minAgeMs: number = minAge.ms;
  private isReading = false;
  private isRefreshDue = false;
  private isStopped = false;
  private lastTookMs = Infinity;
  private readonly maxAgeMs: number;
  private readonly readByWakeups: NonNullable<AgendaOptions['readByWakeups']>;

  constructor(
    private readonly sql: Pick<Sql, 'rows'>,
    { maxAgeMs = 10_000, readByWakeups = () => null }: AgendaOptions = {},
  ) {
    this.maxAgeMs = maxAgeMs;
    this.readByWakeups = readByWakeups;
  }

  /** Resolves when the work is due, or when the agenda is stopped. */
  async whenDue(due: DueQuery): Promise<void> {
    if (this.isStopped) return;
    await new Promise<void>((resolve) => {
      this.waiting.add({ due, resolve, dueAtMs: null });
      this.refresh();
    });
  }

  /** Ends all waits. */
  stop(): void {
    this.isStopped = true;
    for (const waiter of this.waiting) this.end(waiter);
    this.schedule();
  }

  /** Reads the due times again soon, because rows may have changed. Costs nothing while no task waits. */
  refresh(): void {
    if (this.isRefreshDue && this.timer) return;
    this.isRefreshDue = true;
    this.schedule();
  }

  private end(waiter: Waiter): void {
    if (this.waiting.delete(waiter)) waiter.resolve();
  }

  private schedule(): void {
    if (this.isReading) return;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.waiting.size === 0) return;
    const dueMs = [...this.waiting].flatMap(({ dueAtMs }) => dueAtMs ?? []);
    const readMs = this.lastReadMs + (this.isRefreshDue ? this.minAgeMs : this.maxAgeMs);
    const nextMs = Math.min(readMs, ...dueMs) - performance.now();
    this.timer = setTimeout(() => this.advance(), Math.max(0, Math.ceil(nextMs)));
  }

  private advance(): void {
    const nowMs = performance.now();
    for (const waiter of this.waiting)
      if (waiter.dueAtMs !== null && waiter.dueAtMs <= nowMs) this.end(waiter);
    const ageMs = nowMs - this.lastReadMs;
    if (this.waiting.size > 0 && ageMs >= (this.isRefreshDue ? this.minAgeMs : this.maxAgeMs))
      void this.read();
    else this.schedule();
  }

  private async read(): Promise<void> {
    const isPeriodic = !this.isRefreshDue;
    this.isReading = true;
    this.isRefreshDue = false;
    const waiters = [...this.waiting];
    const beganMs = performance.now();
    try {
      const queries = waiters.map(({ due }) => due);
      const reading = readDueTimes((...statement) => this.run(statement, isPeriodic), queries);
      const dueInMs = await withinMs(
        maxReadMs,
        reading,
        () => new Error('The due times were not read in time.'),
      );
      const nowMs = performance.now();
      waiters.forEach((waiter, index) => {
        const ms = dueInMs[index] ?? null;
        waiter.dueAtMs = ms === null ? null : nowMs + ms;
        if (ms !== null && ms <= 0) this.end(waiter);
      });
    } catch {
      // The tasks report the failure: each runs, fails, and is repeated after a pause.
      for (const waiter of waiters) this.end(waiter);
    } finally {
      this.isReading = false;
      this.lastReadMs = performance.now();
      this.lastTookMs = this.lastReadMs - beganMs;
      this.minAgeMs = Math.min(minAge.maxMs, Math.max(minAge.ms, this.lastTookMs * minAge.perReadMs));
      this.schedule();
    }
  }

  /** A slow read must not delay wake-ups. */
  private async run(
    statement: Parameters<RunDueTimes>,
    isPeriodic: boolean,
  ): Promise<Awaited<ReturnType<RunDueTimes>>> {
    const isShared = isPeriodic && this.lastTookMs <= maxSharedReadMs;
    try {
      const rows = isShared ? await this.readByWakeups(...statement) : null;
      if (rows) return rows;
    } catch {
      // The table may be locked, or the connection for wake-ups is replaced; this one may wait longer.
    }
    return this.sql.rows(...statement);
  }
}
