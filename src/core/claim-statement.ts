import type { Engine } from './engine';
import { weightOf } from './owner-weights';
import { commitsWithoutWaiting, type EntityClass } from './sql';

/**
 * One kind of work on the rows of a table. The table has the columns `id`, `owner`, `due_at` and `lease`. It needs two
 * partial indexes with {@link LeasedTable.rows} as their predicate: one on `due_at`, one on `(owner, due_at)`; if the
 * order is not `due_at`, also one on `(owner, …order, due_at)`.
 */
export interface LeasedTable<Row> {
  readonly entity: EntityClass<Row>;
  readonly table: string;
  /** SQL: selects the rows of this kind of work, in addition to the due time. */
  readonly rows: string;
  /** The columns that order an owner's due rows.
   *  @defaultValue due_at */
  readonly order?: readonly string[];
  /** Whether a claim also searches for owners that are not among the oldest due rows.
   *  @defaultValue true */
  readonly inTurn?: boolean;
  /** SQL: assignments of a claim in addition to lease and due time. */
  readonly set?: string;
}

/** The maximum number of owners that one claim visits; the next claim continues after them. */
const maxProbes = 1_000;

/** The first parameter of a claim's `only`. */
const firstOnly = 10;

/** SQL: whether the row `t` is due for this work. */
export function isDue({ rows }: Pick<LeasedTable<unknown>, 'rows'>): string {
  return `t.due_at <= now() AND ${rows}`;
}

/** SQL: a value by which rows are ordered. */
function rankOf(order: readonly string[]): string {
  return order.length === 1 ? order[0]! : `ROW(${order.join(', ')})`;
}

/** SQL: the columns equal the parameters that start at number `first`. */
export function equals(columns: readonly string[], first: number): string {
  return columns.map((column, index) => `AND ${column} = $${first + index}`).join(' ');
}

/**
 * SQL: claims rows. $1 lease, $2 lease duration, $3 limit, $4 how many of the oldest rows are read, $5 the owner served
 * last, $6 slots in use by owner, $7 free slots, $8 weights by owner, $9 turns that owners have had in the present round, then
 * the values of the columns `only`.
 *
 * - `oldest`: the oldest due rows of all owners. Fewer than $4 rows means that these are all due rows.
 * - `turn`: otherwise, the owners after the one served last, wrapping around, until enough have due rows and a share of the
 *   slots left. (A loose index scan: each step reads one entry of the index on owner and due time.)
 * - `owners`: those of `turn` with due rows and, if the order is not `due_at`, those of `oldest`, whose first rows may not be
 *   among the oldest.
 * - `placed`: the rows in order, without those that their owner's share excludes at any place, each with its position within its owner, counting from the slots in use, and with its round:
 *   an owner has as many turns in a round as its weight.
 * - `eligible`: those within the share of slots of their owner, see `OwnerShares`.
 * - `claimed`: the first of them that are free, see {@link claimUnlocked} and {@link claimUnchanged}.
 *
 * `lastProbed` is where the next walk starts: after the last visited owner, but before the first one that has turns left.
 *
 * A claim that is lost in a crash of PostgreSQL is made again by another worker: see {@link commitsWithoutWaiting}.
 */
export function claimStatement(
  engine: Engine,
  spec: LeasedTable<unknown>,
  only: readonly string[],
  limit: number,
): string {
  const { table, rows, order = ['due_at'], inTurn = true } = spec;
  // PostgreSQL keeps the plan of a statement only if it is not worse than one that knows the parameters. Without a
  // constant it assumes that $4 is a tenth of all due rows, and plans each claim again. Few sizes make few statements.
  const maxRead = 2 * 8 ** Math.ceil(Math.log2(limit) / 3) + 16;
  const due = `${isDue(spec)} ${equals(only, firstOnly)}`;
  const matching = `${rows} ${equals(only, firstOnly)}`;
  return `
WITH RECURSIVE oldest AS MATERIALIZED (
  SELECT * FROM (SELECT id, owner, ${rankOf(order)} AS rank FROM ${table} t WHERE ${due} ORDER BY due_at LIMIT ${maxRead}) read
   ORDER BY rank LIMIT $4),
turn (owner, due_at, found, probes, is_around) AS (
  SELECT $5::text, NULL::timestamptz, 0, 0, false WHERE ${inTurn} AND (SELECT count(*) FROM oldest) = $4
  UNION ALL
  SELECT next.owner, next.due_at, turn.found + (next.due_at <= now() AND ${hasShare('next.owner')})::int, turn.probes + 1, next.is_around
    FROM turn, LATERAL (
      (SELECT t.owner, t.due_at, turn.is_around FROM ${table} t
        WHERE t.owner > turn.owner AND ${matching} ORDER BY t.owner, t.due_at LIMIT 1)
      UNION ALL
      (SELECT t.owner, t.due_at, true FROM ${table} t
        WHERE NOT turn.is_around AND ${matching} ORDER BY t.owner, t.due_at LIMIT 1)
      LIMIT 1) next
   WHERE turn.found < $3 AND turn.probes < ${maxProbes} AND NOT (next.is_around AND next.owner > $5)),
owners AS MATERIALIZED (
  SELECT owner, ${weightOf('owner', '$8')} AS weight FROM (SELECT owner FROM turn WHERE due_at <= now()${moreOwners(order)}) found),
candidates AS (
  SELECT id, owner, rank FROM oldest WHERE NOT EXISTS (SELECT FROM owners WHERE owners.owner = oldest.owner)
  UNION ALL
  SELECT theirs.* FROM owners, LATERAL (
    SELECT t.id, t.owner, ${rankOf(order)} FROM ${table} t WHERE t.owner = owners.owner AND ${due}
     ORDER BY ${order.join(', ')} LIMIT ceil(2.0 * $3 * owners.weight / (SELECT sum(weight) FROM owners))) theirs),
${placement},
claimed AS (${engine.skipLocked ? claimUnlocked(spec, due) : claimUnchanged(spec, due)}),
waiting AS (
  SELECT min(probes) AS probes FROM turn JOIN eligible USING (owner)
   WHERE turn.probes > 0 AND eligible.round = 0 AND NOT EXISTS (SELECT FROM claimed WHERE claimed.id = eligible.id))
SELECT claimed.*, now() AS "claimedAt", eligible.turn::int AS turn, last.owner AS "lastProbed"
  FROM (SELECT turn.owner FROM turn, waiting WHERE turn.probes < coalesce(waiting.probes, ${maxProbes + 1})
         ORDER BY turn.probes DESC LIMIT 1) last
  FULL JOIN claimed ON true LEFT JOIN eligible USING (id)
 WHERE ${commitsWithoutWaiting}
 ORDER BY eligible.place`;
}

/** SQL: whether the owner may take one more slot, see `OwnerShares`. Those that may not are passed by: they hold all slots. */
function hasShare(owner: string): string {
  const held = `coalesce(($6::jsonb ->> ${owner})::int, 0)`;
  return `(${held} = 0 OR $7::float8 > 1 AND ${held} < ${weightOf(owner, '$8')} * $7::float8)`;
}

/** SQL: the assignments of a claim. */
function assignments({ set }: LeasedTable<unknown>): string {
  return `lease = $1, due_at = now() + $2 * interval '1 ms'${set ? `, ${set}` : ''}`;
}

/** SQL: LATERAL with its own lock reads rows one at a time in order and skips rows locked by others. */
function claimUnlocked(spec: LeasedTable<unknown>, due: string): string {
  return `
  UPDATE ${spec.table} SET ${assignments(spec)}
   WHERE id = ANY (ARRAY(
     SELECT free.id
       FROM (SELECT id FROM eligible ORDER BY place) eligible,
            LATERAL (SELECT t.id FROM ${spec.table} t WHERE t.id = eligible.id AND ${due} FOR UPDATE SKIP LOCKED) free
      LIMIT $3))
  RETURNING *`;
}

/**
 * SQL: an UPDATE that waits for concurrent changes of its rows, and then compares the present row: it must still be due, and its
 * lease the one that was read. Of concurrent claims only one finds it so, since each changes both.
 */
function claimUnchanged(spec: LeasedTable<unknown>, due: string): string {
  return `
  UPDATE ${spec.table} t SET ${assignments(spec)}
    FROM (SELECT read.id AS found_id, read.lease AS found_lease FROM eligible JOIN ${spec.table} read ON read.id = eligible.id
           ORDER BY eligible.place LIMIT $3) found
   WHERE t.id = found_id AND t.lease IS NOT DISTINCT FROM found_lease AND ${due}
  RETURNING t.*`;
}

/** SQL: the owners of the oldest rows, which may not be their first ones. */
function moreOwners(order: readonly string[]): string {
  const isByDueTime = order.length === 1 && order[0] === 'due_at';
  return isByDueTime ? '' : ' UNION SELECT owner FROM oldest WHERE (SELECT count(*) FROM oldest) = $4';
}

/** SQL: `numbered` to `eligible` of {@link claimStatement}. */
const placement = `
numbered AS (
  SELECT id, owner, rank, coalesce(($6::jsonb ->> owner)::int, 0) AS used, coalesce(($9::jsonb ->> owner)::int, 0) AS turns,
         row_number() OVER (PARTITION BY owner ORDER BY rank) AS number, ${weightOf('owner', '$8')} AS weight
    FROM candidates),
rounds AS (
  SELECT id, owner, rank, weight, used + number AS number, greatest(used, turns) + number - 1 AS turns FROM numbered),
placed AS (
  SELECT id, owner, weight, number, turns / weight AS round, turns % weight + 1 AS turn,
         row_number() OVER (ORDER BY turns / weight, owner <= $5, owner, rank) AS place FROM rounds
   WHERE number = 1 OR ($7 > 1 AND number - 1 < weight * $7::float8)),
eligible AS (
  SELECT id, owner, round, turn, place FROM placed
   WHERE number - 1 < weight * ($7::float8 - place + 1) AND (number = 1 OR $7 > place))`;
