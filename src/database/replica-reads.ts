import { pause, withinMs } from '../core/clock';
import type { OutageLog } from '../core/outage';
import type { CostlyReads, EntityClass, Sql } from '../core/sql';

/** Limits, in milliseconds. */
const limits = {
  /** How long a read waits for the replica to have what the primary has committed, and to connect. */
  replayMs: 500,
  pollMs: 10,
  /** How long a statement on the replica may take, before the primary runs it. */
  statementMs: 1_500,
  /** How long the replica is not tried after a failure. */
  retryMs: 5_000,
} as const;

export interface ReplicaReadsOptions {
  readonly primary: Sql;
  /** Connects to the replica; called again after it has failed. */
  readonly connect: () => Promise<Sql>;
  /** Reports that the primary answers instead. */
  readonly outages: Pick<OutageLog, 'failed' | 'succeeded'>;
}

/**
 * Reads from a streaming replica, once it has replayed all that the primary had committed durably when the read began. So
 * a read shows every write that was acknowledged before, by any process and to any client. While the replica cannot be
 * used, or is later than {@link limits}, the primary answers. See docs/adr/0041.
 */
export class ReplicaReads implements CostlyReads {
  private connected: Promise<Sql> | null = null;
  private retryAtMs = -Infinity;
  private isInUse = true;

  constructor(private readonly options: ReplicaReadsOptions) {}

  /** Whether the last read was made on the replica; true before the first. */
  get usesReplica(): boolean {
    return this.isInUse;
  }

  async begin(): Promise<Sql> {
    const { primary } = this.options;
    if (performance.now() < this.retryAtMs) return primary;
    const position = await positionOf(primary);
    if (position === null) return primary;
    try {
      const replica = await withinMs(limits.replayMs, this.replayed(position), () => new Error(late));
      this.isInUse = true;
      this.options.outages.succeeded();
      return this.fallingBack(replica);
    } catch (error) {
      this.failed(error);
      return primary;
    }
  }

  /** Rejects if the replica cannot be used. */
  private async replayed(position: string): Promise<Sql> {
    this.connected ??= this.options.connect();
    this.connected.catch(() => {
      this.connected = null;
    });
    const replica = await this.connected;
    for (const endMs = performance.now() + limits.replayMs; ;) {
      const [row] = await replica.rows<{ isReplica: boolean; hasReplayed: boolean }>(replayedStatement, [
        position,
      ]);
      if (!row!.isReplica) throw new Error('The server at DATABASE_REPLICA_URL is not a replica.');
      if (row!.hasReplayed) return replica;
      if (performance.now() > endMs) throw new Error(late);
      await pause(limits.pollMs);
    }
  }

  /** After a failure, this and further statements of the read are run on the primary, which is never older. */
  private fallingBack(replica: Sql): Sql {
    let current = replica;
    const run = async <Rows>(statement: (sql: Sql) => Promise<Rows>): Promise<Rows> => {
      if (current !== replica) return statement(current);
      try {
        return await withinMs(limits.statementMs, statement(replica), () => new Error(late));
      } catch (error) {
        this.failed(error);
        current = this.options.primary;
        return statement(current);
      }
    };
    const entities = (
      entity: EntityClass<object>,
      text: string,
      parameters?: readonly unknown[],
    ): Promise<object[]> => run((sql) => sql.entities(entity, text, parameters));
    return {
      engine: this.options.primary.engine,
      rows: (...statement) => run((sql) => sql.rows(...statement)),
      // TypeScript does not infer the type of the other columns, which occurs only in the result.
      entities: entities as Sql['entities'],
    };
  }

  private failed(error: unknown): void {
    this.isInUse = false;
    this.retryAtMs = performance.now() + limits.retryMs;
    this.options.outages.failed(error instanceof Error ? error : new Error(String(error)));
  }
}

const late = 'The replica did not answer or catch up in time.';

/**
 * How far the primary has written its log: beyond every commit that was waited for. Null if it does not answer, or is a
 * standby that is not promoted yet.
 */
async function positionOf(primary: Sql): Promise<string | null> {
  try {
    const [row] = await primary.rows<{ position: string }>('SELECT pg_current_wal_lsn()::text AS position');
    return row!.position;
  } catch {
    // The read itself reports it.
    return null;
  }
}

const replayedStatement = `SELECT pg_is_in_recovery() AS "isReplica",
         coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) AS "hasReplayed"`;
