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
 * last, $6 slots in use by owner, $7 free slots, then the values of the columns `only`.
 *
 * - `oldest`: the oldest due rows of all owners. Fewer than $4 rows means that these are all due rows.
 * - `turn`: otherwise, the owners after the one served last, wrapping around, until enough have due rows. (A loose
 *   index scan: each step reads one entry of the index on owner and due time.)
 * - `owners`: those of `turn` with due rows and, if the order is not `due_at`, those of `oldest`, whose first rows may not be
 *   among the oldest.
 * - `placed`: the rows in order, each with its position within its owner, counting from the slots in use.
 * - `claimed`: LATERAL with its own lock reads rows one at a time in that order and skips rows locked by others.
 *
 * A claim that is lost in a crash of PostgreSQL is made again by another worker: see {@link commitsWithoutWaiting}.
 */
export function claimStatement(spec: LeasedTable<unknown>, only: readonly string[], limit: number): string {
  const { table, rows, order = ['due_at'], inTurn = true, set } = spec;
  // PostgreSQL keeps the plan of a statement only if it is not worse than one that knows the parameters. Without a
  // constant it assumes that $4 is a tenth of all due rows, and plans each claim again. Few sizes make few statements.
  const maxRead = 2 * 8 ** Math.ceil(Math.log2(limit) / 3) + 16;
  const due = `${isDue(spec)} ${equals(only, 8)}`;
  const matching = `${rows} ${equals(only, 8)}`;
  const isByDueTime = order.length === 1 && order[0] === 'due_at';
  const moreOwners = isByDueTime
    ? ''
    : ' UNION SELECT owner FROM oldest WHERE (SELECT count(*) FROM oldest) = $4';
  return `
WITH RECURSIVE oldest AS MATERIALIZED (
  SELECT * FROM (SELECT id, owner, ${rankOf(order)} AS rank FROM ${table} t WHERE ${due} ORDER BY due_at LIMIT ${maxRead}) read
   ORDER BY rank LIMIT $4),
turn (owner, due_at, found, probes, is_around) AS (
  SELECT $5::text, NULL::timestamptz, 0, 0, false WHERE ${inTurn} AND (SELECT count(*) FROM oldest) = $4
  UNION ALL
  SELECT next.owner, next.due_at, turn.found + (next.due_at <= now())::int, turn.probes + 1, next.is_around
    FROM turn, LATERAL (
      (SELECT t.owner, t.due_at, turn.is_around FROM ${table} t
        WHERE t.owner > turn.owner AND ${matching} ORDER BY t.owner, t.due_at LIMIT 1)
      UNION ALL
      (SELECT t.owner, t.due_at, true FROM ${table} t
        WHERE NOT turn.is_around AND ${matching} ORDER BY t.owner, t.due_at LIMIT 1)
      LIMIT 1) next
   WHERE turn.found < $3 AND turn.probes < ${maxProbes} AND NOT (next.is_around AND next.owner > $5)),
owners AS MATERIALIZED (SELECT owner FROM turn WHERE due_at <= now()${moreOwners}),
candidates AS (
  SELECT id, owner, rank FROM oldest WHERE NOT EXISTS (SELECT FROM owners WHERE owners.owner = oldest.owner)
  UNION ALL
  SELECT theirs.* FROM owners, LATERAL (
    SELECT t.id, t.owner, ${rankOf(order)} FROM ${table} t WHERE t.owner = owners.owner AND ${due}
     ORDER BY ${order.join(', ')} LIMIT (SELECT ceil(2.0 * $3 / count(*)) FROM owners)) theirs),
numbered AS (
  SELECT id, owner, rank, coalesce(($6::jsonb ->> owner)::int, 0) + row_number() OVER (PARTITION BY owner ORDER BY rank) AS number
    FROM candidates),
placed AS (
  SELECT id, number, row_number() OVER (ORDER BY number, owner <= $5, owner, rank) AS place FROM numbered),
claimed AS (
  UPDATE ${table} SET lease = $1, due_at = now() + $2 * interval '1 ms'${set ? `, ${set}` : ''}
   WHERE id = ANY (ARRAY(
     SELECT free.id
       FROM (SELECT id FROM placed WHERE number <= $7::float8 - place + 1 ORDER BY place) placed,
            LATERAL (SELECT t.id FROM ${table} t WHERE t.id = placed.id AND ${due} FOR UPDATE SKIP LOCKED) free
      LIMIT $3))
  RETURNING *)
SELECT claimed.*, now() AS "claimedAt", last.owner AS "lastProbed"
  FROM (SELECT owner FROM turn ORDER BY probes DESC LIMIT 1) last FULL JOIN claimed ON true LEFT JOIN placed USING (id)
 WHERE ${commitsWithoutWaiting}
 ORDER BY placed.place`;
}
