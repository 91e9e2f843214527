import { DomainError } from './errors';
import { firstIdAt, type InputId } from './ids';

/** Values of a column, all of one type. */
export type ColumnValues = readonly (string | boolean)[];

/** A condition on rows. */
export type ListCondition = {
  /** Why the condition is refused; null or absent: it is valid. */
  readonly problem?: DomainError | null;
} & (
  | { readonly column: string; readonly values: ColumnValues }
  /** That an array has one of the values. Equal arrays must have the same order. */
  | { readonly array: string; readonly values: ColumnValues }
  /** A reference to another row, by its UUID. Rows are read by the index that begins with the column. */
  | { readonly reference: string; readonly id: string }
  /** SQL in which `?` stands for the value. */
  | { readonly text: string; readonly value?: unknown }
  /** SQL that must not hold. Rows are counted as all without those for which it holds. */
  | { readonly exceptText: string }
);

/** The maximum number of values in a condition. */
const maxValues = 100;

/**
 * The condition that a column has one of the values; an empty list matches no row. No condition without a list.
 */
export function isAnyOf(
  column: string,
  values: readonly string[] | null | undefined,
  field: string,
): ListCondition[] {
  return values ? [{ column, ...checkedValues(values, field) }] : [];
}

/** The condition that an array has one of the values; an empty list matches no row. No condition without a list. */
export function hasAnyOf(
  array: string,
  values: readonly string[] | null | undefined,
  field: string,
): ListCondition[] {
  return values ? [{ array, ...checkedValues(values, field) }] : [];
}

/** The condition that a column is true or false. No condition without a value. */
export function isFlag(column: string, value: boolean | null | undefined): ListCondition[] {
  return value == null ? [] : [{ column, values: [value] }];
}

/**
 * The values without those that no text in the database can have.
 * @returns with `problem` INVALID_INPUT (field `filter.…`) for more than 100 values
 */
function checkedValues(
  given: readonly string[],
  field: string,
): { values: readonly string[]; problem: DomainError | null } {
  const values = given.filter((value) => !value.includes('\0'));
  if (given.length <= maxValues) return { values, problem: null };
  const message = `${field} has ${given.length} values; at most ${maxValues} are allowed.`;
  const details = { given: given.length, maximum: maxValues };
  return { values, problem: new DomainError('INVALID_INPUT', message, { field, details }) };
}

/** The condition that a column has the given id; one that is no global id of the type matches no row. */
export function isNode(column: string, given: InputId | null | undefined): ListCondition[] {
  if (!given) return [];
  return given.uuid === null ? [{ text: 'false' }] : [{ reference: column, id: given.uuid }];
}

/** A span of time; null or absent: open. */
export interface CreatedRange {
  /** Inclusive. */
  readonly from?: Date | null;
  /** Exclusive. */
  readonly before?: Date | null;
}

/** How far the time in an id, by a gateway's clock, may be from `created_at`, by the database's clock. */
const maxSkewMs = 24 * 3_600_000;

/**
 * The conditions that rows were created in a span of time. The bounds of the ids let the list's index skip other rows.
 * @param field - the path of the span in the input
 * @returns with `problem` INVALID_INPUT (field `….before`) if the span ends before it begins
 */
export function isCreatedIn(range: CreatedRange | null | undefined, field: string): ListCondition[] {
  const { from, before } = range ?? {};
  return [
    ...(from
      ? [
          { text: 'created_at >= ?', value: from },
          { text: 'id >= ?', value: firstIdAt(from.getTime() - maxSkewMs) },
        ]
      : []),
    ...(before
      ? [
          { text: 'created_at < ?', value: before, problem: rangeProblem({ from, before }, field) },
          { text: 'id < ?', value: firstIdAt(before.getTime() + maxSkewMs) },
        ]
      : []),
  ];
}

/** INVALID_INPUT (field `….before`) for a span that ends before it begins; null for another one. */
export function rangeProblem({ from, before }: CreatedRange, field: string): DomainError | null {
  if (!from || !before || from <= before) return null;
  const message = `${field}.before must not be earlier than ${field}.from; exchange the two times.`;
  return new DomainError('INVALID_INPUT', message, { field: `${field}.before` });
}
