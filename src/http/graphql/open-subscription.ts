import type { ExecutionResult } from 'graphql';
import { mapIterator } from '../../core/iterators';
import type { ChangeSource, Listener, Shareable } from '../../core/push-source';
import type {
  EventOutcome,
  EventResponse,
  ResponseGroup,
  ResponseGroups,
  ResponseListener,
} from './event-responses';

/** Receives the results of a subscription. */
export interface ResultSink {
  /**
   * Sends a result.
   * @returns a promise if the client reads slowly: nothing more may be sent before it resolves
   */
  send(result: ExecutionResult): Promise<void> | undefined;
}

/** A subscription that was opened. */
export interface OpenSubscription {
  /**
   * Sends all results; called once. Resolves when the source has ended or `stop` was called.
   * @throws the error that ended the source
   */
  deliver(sink: ResultSink): Promise<void>;
  /** Releases the source immediately. Nothing is sent afterwards. */
  stop(): void;
}

/** The result of an operation that has only one. */
export class SingleResult implements OpenSubscription {
  private isStopped = false;

  constructor(private readonly result: ExecutionResult) {}

  async deliver(sink: ResultSink): Promise<void> {
    if (!this.isStopped) await sink.send(this.result);
  }

  stop(): void {
    this.isStopped = true;
  }
}

/** The result of an operation that is executed when it is delivered. */
export class PendingResult implements OpenSubscription {
  private readonly client = new AbortController();

  /** @param respond - executes the operation; the signal is aborted by {@link stop} */
  constructor(private readonly respond: (client: AbortSignal) => Promise<ExecutionResult>) {}

  async deliver(sink: ResultSink): Promise<void> {
    const { signal } = this.client;
    const result = await this.respond(signal);
    if (!signal.aborted) await sink.send(result);
  }

  stop(): void {
    this.client.abort();
  }
}

/** Whether this is a subscription, and not the result of an operation that has only one. */
export function isStream(opened: OpenSubscription): boolean {
  return opened instanceof SharedSubscription || opened instanceof OwnSubscription;
}

/** Whether a subscription was opened; if not, this is the result with the errors. */
export function isOpen(opened: OpenSubscription | ExecutionResult): opened is OpenSubscription {
  return 'deliver' in opened;
}

/** A subscription that executes each event of its source itself. */
export class OwnSubscription implements OpenSubscription {
  private readonly results: AsyncIterableIterator<ExecutionResult>;
  private isStopped = false;

  constructor(source: AsyncIterable<unknown>, execute: (rootValue: unknown) => Promise<ExecutionResult>) {
    this.results = mapIterator(source, execute);
  }

  async deliver(sink: ResultSink): Promise<void> {
    for await (const result of this.results) {
      if (this.isStopped) return;
      await sink.send(result);
    }
  }

  stop(): void {
    this.isStopped = true;
    void this.results.return?.().catch(() => undefined);
  }
}

/** Maximum number of responses that a subscription waits for. Further changes stay in its source. */
const maxPending = 100;

/**
 * A subscription that shares the responses of its group. Changes are pushed to it; while its client reads slowly or too
 * many responses are pending, they stay in the source, which limits their number.
 */
export class SharedSubscription implements OpenSubscription, Listener<Shareable>, ResponseListener {
  /** Responses to send, in order. */
  private pending: EventResponse[] = [];
  private sink: ResultSink | null = null;
  private settle: { resolve: () => void; reject: (error: unknown) => void } | null = null;
  /** Set when the source has ended. */
  private end: { readonly failure: unknown } | null = null;
  private isPulling = false;
  private isAttached = false;
  /** Whether changes stay in the source. */
  private isBlocked = false;
  /** Whether the client reads slowly. */
  private isSending = false;
  private isOver = false;

  constructor(
    private readonly source: ChangeSource<Shareable, unknown>,
    private readonly group: ResponseGroup,
    private readonly groups: Pick<ResponseGroups, 'leave'>,
  ) {}

  deliver(sink: ResultSink): Promise<void> {
    this.sink = sink;
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      if (this.isOver) resolve();
      else this.proceed();
    });
  }

  stop(): void {
    this.finish(null);
  }

  onItem(change: Shareable): void {
    const response = this.group.respond(this.source, change);
    this.pending.push(response);
    if (this.pending.length >= maxPending) this.block();
    response.onSettled(this);
  }

  onEnd(failure: unknown): void {
    this.end = { failure };
    this.flush();
  }

  /** Sends the responses that are settled, in order. */
  onResponse(): void {
    this.flush();
    if (this.isBlocked && this.pending.length === 0 && !this.isSending) this.unblock();
  }

  private flush(): void {
    while (!this.isOver && !this.isSending) {
      const outcome = this.pending[0]?.outcome;
      if (!outcome) break;
      this.pending.shift();
      this.send(outcome);
    }
    if (this.end && this.pending.length === 0 && !this.isSending) this.finish(this.end.failure);
  }

  private send(outcome: EventOutcome): void {
    if ('error' in outcome) {
      this.finish(outcome.error);
      return;
    }
    const accepted = outcome.result && this.sink?.send(outcome.result);
    if (!accepted) return;
    this.isSending = true;
    this.block();
    void accepted.then(() => {
      this.isSending = false;
      this.onResponse();
    });
  }

  /** Leaves further changes in the source. */
  private block(): void {
    this.isBlocked = true;
    this.isAttached = false;
    this.source.changes.detach();
  }

  private unblock(): void {
    this.isBlocked = false;
    this.proceed();
  }

  private proceed(): void {
    if (this.isPulling || this.isAttached || this.isOver || this.end) return;
    void this.pull();
  }

  /** Takes the changes that wait in the source, then lets it push. */
  private async pull(): Promise<void> {
    const { changes } = this.source;
    this.isPulling = true;
    try {
      while (!this.isBlocked && !this.isOver) {
        this.isAttached = changes.attach(this);
        if (this.isAttached) return;
        const next = await changes.next();
        if (next.done) {
          this.onEnd(null);
          return;
        }
        this.onItem(next.value);
      }
    } catch (error) {
      this.onEnd(error);
    } finally {
      this.isPulling = false;
    }
  }

  private finish(failure: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.pending = [];
    void this.source.changes.return();
    this.groups.leave(this.group);
    if (failure === null) this.settle?.resolve();
    else this.settle?.reject(failure);
  }
}
