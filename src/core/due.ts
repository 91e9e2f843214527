/**
 * SQL for the time at which the next row of a kind of work is due: a `timestamptz`, in the past if one is due now, null
 * if none is due at a known time.
 */
export interface DueQuery {
  /**
   * An expression, for example a subquery in parentheses.
   * @param first - the number of its first parameter
   */
  readonly sql: (first: number) => string;
  readonly parameters: readonly unknown[];
}

/** A query without parameters. */
export function dueAt(sql: string): DueQuery {
  return { sql: () => sql, parameters: [] };
}

/** The earliest of several due times. */
export function earliestDue(...queries: readonly DueQuery[]): DueQuery {
  const parameters = queries.flatMap((query) => query.parameters);
  return { sql: (first) => `least(${dueExpressions(queries, first).join(', ')})`, parameters };
}

/** The expressions, with their parameters numbered one after the other. */
export function dueExpressions(queries: readonly DueQuery[], first: number): string[] {
  let next = first;
  return queries.map(({ sql, parameters }) => {
    const text = sql(next);
    next += parameters.length;
    return text;
  });
}
