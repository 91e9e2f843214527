import { randomBytes } from 'node:crypto';
import type { RedisConnection } from '../redis/redis-connection';
import { everyTopic, PendingWakes, packWake, unpackWake, type Wake } from './wake';
import type { Wakeups } from './wakeups';

/** The topic by which a process that receives nothing through Redis asks the others to use the database. */
const lostTopic = 'redis:lost';
/** How often it asks, and how long the others comply, in milliseconds. */
const lostMs = { interval: 4_000, validity: 10_000 } as const;

const everything: Wake = { streams: 'all', work: true, topics: [everyTopic] };

/**
 * {@link Wakeups} through Redis. The wake-ups of the database are kept and listened to: processes without Redis use them, such
 * as the command line, and so do all while Redis is unavailable.
 *
 * A process that loses its session notices it within 2 s. It calls its listeners as if everything had changed, and asks
 * the other processes through the database to announce there too, until it has a session again.
 */
export class RedisWakeups implements Pick<
  Wakeups,
  'start' | 'stop' | 'announce' | 'read' | 'onStreams' | 'onWork' | 'onTopic' | 'onReconnect'
> {
  private readonly senderId = randomBytes(6).toString('base64url');
  /** Announced in this turn, not yet dispatched. */
  private readonly announced = new PendingWakes();
  /** Dispatched in this process, not yet sent to the others. */
  private readonly outgoing = new PendingWakes();
  private turn: NodeJS.Immediate | null = null;
  private sending: Promise<void> | null = null;
  private asking: NodeJS.Timeout | null = null;

  constructor(
    private readonly database: Wakeups,
    private readonly redis: Pick<
      RedisConnection,
      'isUp' | 'isShared' | 'markUnshared' | 'publish' | 'onMessage' | 'onState'
    >,
  ) {
    redis.onMessage((message) => this.receive(message));
    redis.onState((isUp) => this.onState(isUp));
    database.onTopic((topic) => {
      if (topic === lostTopic) this.onLost();
    });
  }

  /** {@inheritDoc Wakeups.start} */
  async start(): Promise<void> {
    await this.database.start();
    if (!this.redis.isUp) this.keepAsking();
  }

  /** {@inheritDoc Wakeups.stop} */
  async stop(): Promise<void> {
    this.stopAsking();
    this.flush();
    while (this.sending) await this.sending;
    await this.database.stop();
  }

  /** {@inheritDoc Wakeups.announce} */
  announce(wake: Wake): void {
    this.announced.add(wake);
    this.turn ??= setImmediate(() => this.flush());
  }

  /** {@inheritDoc Wakeups.onStreams} */
  onStreams(listener: (ids: readonly string[] | 'all') => void): () => void {
    return this.database.onStreams(listener);
  }

  /** {@inheritDoc Wakeups.onWork} */
  onWork(listener: () => void): () => void {
    return this.database.onWork(listener);
  }

  /** {@inheritDoc Wakeups.onTopic} */
  onTopic(listener: (topic: string) => void): () => void {
    return this.database.onTopic(listener);
  }

  /** {@inheritDoc Wakeups.onReconnect} */
  onReconnect(listener: () => void): () => void {
    return this.database.onReconnect(listener);
  }

  /** {@inheritDoc Wakeups.read} */
  read<Row>(text: string, parameters: readonly unknown[]): Promise<Row[]> | null {
    return this.database.read(text, parameters);
  }

  private flush(): void {
    if (this.turn) clearImmediate(this.turn);
    this.turn = null;
    if (this.announced.isEmpty) return;
    const wake = this.announced.take();
    this.database.dispatch(wake);
    this.outgoing.add(wake);
    this.send();
  }

  /** Sends one batch at a time; announcements made meanwhile are sent together afterwards. */
  private send(): void {
    if (this.sending || this.outgoing.isEmpty) return;
    const wake = this.outgoing.take();
    if (!this.redis.isShared) this.database.relay(wake);
    if (!this.redis.isUp) return;
    this.sending = this.redis
      .publish(packWake(this.senderId, wake))
      // It is unknown who has received it.
      .catch(() => this.database.relay(wake))
      .finally(() => {
        this.sending = null;
        this.send();
      });
  }

  private receive(message: string): void {
    const wake = unpackWake(message);
    if (wake && wake.from !== this.senderId) this.database.dispatch(wake);
  }

  /** Wake-ups may have been lost in both cases. */
  private onState(isUp: boolean): void {
    this.stopAsking();
    if (!isUp) {
      this.ask();
      this.keepAsking();
    }
    this.database.dispatch(everything);
  }

  private ask(): void {
    this.database.relay({ topics: [lostTopic] });
  }

  private keepAsking(): void {
    this.asking ??= setInterval(() => this.ask(), lostMs.interval).unref();
  }

  private stopAsking(): void {
    if (this.asking) clearInterval(this.asking);
    this.asking = null;
  }

  /** Another process receives nothing through Redis, and may not have received what was sent before it asked. */
  private onLost(): void {
    if (this.redis.markUnshared(lostMs.validity)) this.database.relay(everything);
  }
}
