import { DomainError, notFound, type ErrorCode } from './errors';
import { nodeKinds, toGlobalId, uuidOf, type InputId, type NodeKind } from './ids';
import { ProblemCollector } from './input-problems';
import type { ListCondition } from './list-conditions';
import type { ListScope, OwnedList } from './owned-list';
import type { Sql } from './sql';

/** The objects of a bulk change: by ids, or by a filter. Exactly one is given. */
export interface Selection<Filter> {
  readonly ids: readonly InputId[] | null;
  readonly filter: Filter | null;
}

/** An object that could not be changed. */
export interface BulkFailure {
  readonly id: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a bulk change did. */
export interface BulkResult {
  readonly matchedCount: number;
  readonly changedCount: number;
  readonly hasMore: boolean;
  readonly failures: readonly BulkFailure[];
}

/** Bounds of a call. */
export interface BulkLimits {
  /** The maximum number of objects that a call changes. */
  readonly maxObjects: number;
  /** No further object is begun after this time, in milliseconds. Must be below the time limit of operations. */
  readonly maxMs: number;
}

/** The maximum number of ids in a selection. */
export const maxSelectedIds = 1_000;

/** Prevents a change of an object that no longer matches the selection. */
class NoLongerSelected extends Error {}

/** Runs in the transaction of a change, when no other can change the object. Throws an error to prevent the change. */
export type BulkGuard = (sql: Sql) => Promise<void>;

/** A kind of bulk change. */
export interface BulkChange<Columns> {
  /** Whether a row is to be changed, has been changed before, or why it cannot be changed. */
  check(row: Columns): 'change' | 'done' | DomainError;
  /**
   * Changes an object in its own transaction.
   * @returns whether it was changed
   * @throws DomainError for which {@link isFinal} holds if it cannot be changed; any other error ends the call
   */
  apply(row: Columns, guard: BulkGuard): Promise<boolean>;
}

/** Codes that say why an object cannot be changed. With others the call fails, and may be repeated. */
const finalCodes: ReadonlySet<ErrorCode> = new Set([
  ...(['NOT_FOUND', 'NOT_CANCELLABLE', 'NOT_RETRYABLE', 'QUOTA_EXCEEDED'] as const),
  ...(['PROVIDER_NOT_CONFIGURED', 'INVALID_INPUT'] as const),
]);

/** Whether the error says why an object cannot be changed. */
export function isFinal(error: unknown): error is DomainError {
  return error instanceof DomainError && finalCodes.has(error.code);
}

/** How a change of selected objects is made. */
export interface BulkOptions {
  /** Whether objects are only counted. */
  readonly isDryRun: boolean;
  /** Whether ids without an object are failures. */
  readonly reportsUnknown: boolean;
}

/**
 * Changes selected objects of an owner, the oldest first, each in its own transaction: after a crash, those that were
 * changed stay changed, and a repeated call continues with the others.
 */
export class BulkChanges<Row extends { id: string }, Filter extends object, Columns extends { id: string }> {
  /** @param columns - what is read of the selected rows, by the names of the columns */
  constructor(
    readonly list: OwnedList<Row, Filter>,
    private readonly node: NodeKind,
    private readonly columns: readonly (keyof Columns & string)[],
    private readonly limits: BulkLimits,
  ) {}

  /**
   * Checks a selection; a filter is checked as that of a list.
   * @param problems - those of other parts of the input
   * @returns which rows of the owner it selects
   * @throws DomainError INVALID_INPUT, NOT_FOUND, with all problems
   */
  scopeOf(owner: string, selection: Selection<Filter>, problems = new ProblemCollector()): ListScope<Filter> {
    const ids = checkIds(selection.ids, problems);
    const filter = selection.filter ?? ({} as Filter);
    const nested = new ProblemCollector();
    this.list.check(filter, nested);
    for (const { code, field, message } of nested.all)
      problems.add(new DomainError(code, message, { field: `input.select.${field}` }));
    problems.throwIfAny();
    const conditions: ListCondition[] = selection.ids ? [{ text: 'id = ANY(?::uuid[])', value: ids }] : [];
    return { owner, filter, parents: null, conditions };
  }

  /** Reads up to `limit` selected rows, the oldest first. */
  read(scope: ListScope<Filter>, limit: number, sql?: Sql): Promise<Columns[]> {
    return this.list.readColumns<Columns>(scope, this.columns, limit, sql);
  }

  /** Changes the selected rows, within the bounds of a call. */
  async run(
    scope: ListScope<Filter>,
    { ids }: Selection<Filter>,
    change: BulkChange<Columns>,
    { isDryRun, reportsUnknown }: BulkOptions,
  ): Promise<BulkResult> {
    const { maxObjects } = this.limits;
    const limit = ids ? maxSelectedIds : maxObjects;
    const rows = await this.read(scope, limit);
    const [counted] = ids || rows.length < limit ? [rows.length] : await this.list.count(scope);
    const matchedCount = Math.max(counted!, rows.length);
    const failures = reportsUnknown ? this.unknown(ids, rows) : [];
    const candidates = rows.filter((row) => {
      const check = change.check(row);
      if (check instanceof DomainError) failures.push(this.failureOf(row.id, check));
      return check === 'change';
    });
    const left = matchedCount - rows.length + candidates.length;
    const begun = candidates.slice(0, maxObjects);
    if (isDryRun) return { matchedCount, changedCount: begun.length, hasMore: left > begun.length, failures };
    const applied = await this.apply(scope, begun, change, failures);
    return { matchedCount, changedCount: applied.changed, hasMore: left > applied.handled, failures };
  }

  /** Whether a call that has begun at a time, in milliseconds of `performance.now()`, may change another object. */
  hasTime(sinceMs: number): boolean {
    return performance.now() - sinceMs < this.limits.maxMs;
  }

  /** A failure for each of the ids that no row has. */
  unknown(ids: readonly InputId[] | null, rows: readonly { id: string }[]): BulkFailure[] {
    const known = new Set(rows.map(({ id }) => id));
    const unknown = new Set((ids ?? []).map(uuidOf).filter((id) => !known.has(id)));
    return [...unknown].map((id) => this.failureOf(id, notFound(nodeKinds[this.node])));
  }

  failureOf(id: string, { code, message }: Pick<DomainError, 'code' | 'message'>): BulkFailure {
    return { id: toGlobalId(this.node, id), code, message };
  }

  private async apply(
    scope: ListScope<Filter>,
    rows: readonly Columns[],
    change: BulkChange<Columns>,
    failures: BulkFailure[],
  ): Promise<{ handled: number; changed: number }> {
    const sinceMs = performance.now();
    let [handled, changed] = [0, 0];
    for (const row of rows) {
      if (!this.hasTime(sinceMs)) break;
      handled += 1;
      try {
        if (await change.apply(row, (sql) => this.requireSelected(sql, scope, row.id))) changed += 1;
      } catch (error) {
        if (isFinal(error)) failures.push(this.failureOf(row.id, error));
        else if (!(error instanceof NoLongerSelected)) throw error;
      }
    }
    return { handled, changed };
  }

  private async requireSelected(sql: Sql, scope: ListScope<Filter>, id: string): Promise<void> {
    if (!(await this.list.includes(sql, scope, id))) throw new NoLongerSelected();
  }
}

/** The UUIDs of the ids. */
function checkIds(ids: readonly InputId[] | null, problems: ProblemCollector): string[] {
  if (ids === null) return [];
  problems.check(() => {
    if (ids.length >= 1 && ids.length <= maxSelectedIds) return;
    throw new DomainError('INVALID_INPUT', `Send 1 to ${maxSelectedIds} ids; ${ids.length} were given.`, {
      field: 'input.select.ids',
      details: { given: ids.length, minimum: 1, maximum: maxSelectedIds },
    });
  });
  return ids.slice(0, maxSelectedIds).flatMap((id) => problems.check(() => uuidOf(id)) ?? []);
}
