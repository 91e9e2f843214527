import { DomainError } from '../../core/errors';
import type { Viewer } from '../../core/viewer';
import { checkWait, type WaitRequest } from '../../graphql/waits';
import type { AwaitedJob, NextChange } from '../../jobs/job-waits';
import { Sessions, type SessionsOptions } from '../sessions';

export interface RequestWaitsOptions {
  /** Maximum number of concurrent waits. */
  readonly maxWaits: number;
  /** Maximum number of concurrent waits of an owner; null: no limit. */
  readonly maxPerOwner: number | null;
  /** See {@link SessionsOptions}. */
  readonly isRevoked: SessionsOptions['isRevoked'];
  /**
   * Reads an object and subscribes to its changes.
   * @returns null if the answer is due at once
   */
  readonly open: (viewer: Viewer, awaited: AwaitedJob) => Promise<NextChange | null>;
  /**
   * Called with the number of concurrent waits when it has changed.
   * @defaultValue not called
   */
  readonly onCount?: (count: number) => void;
}

/** What a wait depends on besides what is waited for. */
export interface WaitScope {
  /** Aborted when the client has closed its connection or no longer wants the answer, which ends the wait. */
  readonly client: AbortSignal;
  /**
   * Called when the wait is admitted, before anything is read; its error refuses the wait.
   * @defaultValue not called
   */
  readonly onBegin?: () => Promise<void>;
  /** Applies the time limit of an operation to the beginning of the wait. */
  readonly inTime: <Result>(work: Promise<Result>) => Promise<Result>;
}

/** The waits of requests in this process. While it waits, a request has no database connection. */
export class RequestWaits {
  private readonly sessions: Sessions;
  private readonly open = new Set<Wait>();
  private isStopped = false;

  constructor(private readonly options: RequestWaitsOptions) {
    this.sessions = new Sessions({ ...options, tooMany: tooManyOfOwner });
  }

  /**
   * Waits until the object has changed, the time is over, the client has gone, or {@link stop} was called.
   * @throws DomainError INVALID_INPUT, INVALID_CURSOR, RATE_LIMITED, SERVICE_UNAVAILABLE or TIMEOUT; UNAUTHENTICATED if the
   * credentials have expired or were revoked meanwhile
   */
  async wait(viewer: Viewer, request: WaitRequest, scope: WaitScope): Promise<void> {
    checkWait(request);
    if (this.isStopped || request.target === null) return;
    const { maxWaits } = this.options;
    if (this.open.size >= maxWaits) throw tooMany(maxWaits);
    const wait = new Wait();
    const endSession = this.sessions.begin(viewer, (error) => wait.end(error));
    const end = (): void => wait.end();
    this.open.add(wait);
    this.count();
    scope.client.addEventListener('abort', end);
    if (scope.client.aborted) end();
    try {
      const awaited = { ...request.target, after: request.after };
      const opening = async (): Promise<NextChange | null> => {
        await scope.onBegin?.();
        return this.options.open(viewer, awaited);
      };
      await wait.until(opening(), request.waitMs, scope.inTime);
    } finally {
      scope.client.removeEventListener('abort', end);
      this.open.delete(wait);
      this.count();
      endSession();
    }
  }

  /** See {@link Sessions.endRevoked}. */
  endRevoked(id: string): void {
    this.sessions.endRevoked(id);
  }

  /** See {@link Sessions.isRevocable}. */
  get isRevocable(): boolean {
    return this.sessions.isRevocable;
  }

  /** Ends all waits: their requests are answered with the present state, as are later ones. */
  stop(): void {
    this.isStopped = true;
    for (const wait of this.open) wait.end();
  }

  private count(): void {
    this.options.onCount?.(this.open.size);
  }
}

/** One wait. */
class Wait {
  private change: NextChange | null = null;
  private isOver = false;
  private failure: DomainError | null = null;

  /** @param failure - that the wait fails with */
  end(failure: DomainError | null = null): void {
    this.isOver = true;
    this.failure ??= failure;
    this.change?.stop();
  }

  async until(
    opening: Promise<NextChange | null>,
    waitMs: number,
    inTime: WaitScope['inTime'],
  ): Promise<void> {
    try {
      this.change = await inTime(opening);
    } catch (error) {
      void opening.then(
        (late) => late?.stop(),
        () => undefined,
      );
      throw error;
    }
    if (this.isOver) this.change?.stop();
    const timer = setTimeout(() => this.change?.stop(), waitMs);
    await this.change?.happened;
    clearTimeout(timer);
    if (this.failure) throw this.failure;
  }
}

function tooManyOfOwner(maximum: number): DomainError {
  return new DomainError(
    'RATE_LIMITED',
    `Your account has ${maximum} waiting requests. Let some of them end, or use a subscription.`,
    { details: { maximum } },
  );
}

function tooMany(maximum: number): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    `The server has ${maximum} waiting requests. Retry in a few seconds, or without \`waitMs\`.`,
    { details: { maximum } },
  );
}
