import { Field, InputType } from 'type-graphql';
import { DomainError } from '../core/errors';
import { ProblemCollector } from '../core/input-problems';
import type { CreatedRange } from '../core/list-conditions';
import type { ListOrder, ListPage } from '../core/list-statements';
import type { ListParents, OwnedList } from '../core/owned-list';
import { readPage, toConnection, type Connection, type PageArgs } from './connection';
import type { GraphQLContext } from './context';
import { DateTimeScalar } from './scalars';

/** Descriptions of the values of an order by time of creation. */
export const timeOrderDescriptions = {
  NEWEST: { description: 'The newest first.' },
  OLDEST: { description: 'The oldest first.' },
} as const;

@InputType({
  description:
    'Limits a list to a span of time. If both ends are given, `before` must not be earlier than `from`; otherwise INVALID_INPUT.',
})
export class DateTimeRangeInput implements CreatedRange {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'From this moment on, inclusive. Null: no earliest moment.',
  })
  from?: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Up to this moment, exclusive. Null: no latest moment.',
  })
  before?: Date | null;
}

/**
 * The problem of a condition that is given as a deprecated argument and in the filter: INVALID_INPUT (field: the
 * argument). None otherwise.
 */
export function bothForms(
  argument: string,
  given: unknown,
  path: string,
  replacement: unknown,
): DomainError[] {
  if (given == null || replacement == null) return [];
  const message = `Give ${path} or the deprecated ${argument}, not both.`;
  return [new DomainError('INVALID_INPUT', message, { field: argument })];
}

/** @throws the first problem of a filter, if any */
export function validFilter<Filter>(read: { filter: Filter; problems: readonly DomainError[] }): Filter {
  const [problem] = read.problems;
  if (problem) throw problem;
  return read.filter;
}

/** What a field of a list is asked for. */
export interface ListQuery<Filter> {
  page: PageArgs;
  orderBy: ListOrder;
  filter: Filter;
  /** The row that the list belongs to; null for a list of all of the viewer's rows. */
  parent: { column: ListParents['column']; id: string } | null;
  /** The problems of deprecated arguments. */
  problems?: readonly DomainError[];
}

/**
 * Reads a page of the viewer's rows. The lists of several parents in one operation share a statement if they ask for
 * the same page; so do their counts.
 * @throws DomainError INVALID_INPUT, INVALID_CURSOR, with all problems of the arguments
 */
export async function connectionOf<Row extends { id: string }, Filter>(
  list: OwnedList<Row, Filter>,
  { page: args, orderBy, filter, parent, problems: earlier = [] }: ListQuery<Filter>,
  { viewer: { owner }, loaders }: GraphQLContext,
): Promise<Connection<Row>> {
  const problems = new ProblemCollector();
  for (const problem of earlier) problems.add(problem);
  const page = problems.check(() => readPage(args, orderBy));
  list.check(filter, problems);
  problems.throwIfAny();
  // Without problems there is a page.
  return readConnection(list, { page: page!, filter, parent }, { owner, loaders });
}

async function readConnection<Row extends { id: string }, Filter>(
  list: OwnedList<Row, Filter>,
  { page, filter, parent }: Pick<ListQuery<Filter>, 'filter' | 'parent'> & { page: ListPage },
  { owner, loaders }: Pick<GraphQLContext, 'loaders'> & { owner: string },
): Promise<Connection<Row>> {
  const scopeOf = (
    ids: readonly string[],
  ): { owner: string; filter: Filter; parents: ListParents | null } => ({
    owner,
    filter,
    parents: parent && { column: parent.column, ids },
  });
  const load = <Value>(what: string, read: (ids: readonly string[]) => Promise<Value[]>): Promise<Value> =>
    loaders.get<string, Value>(`${list.name}/${parent?.column}/${what}`, read).load(parent?.id ?? '');
  const [filterKey, pageKey] = [JSON.stringify(filter), JSON.stringify(page)];
  const rows = await load(`page ${pageKey} ${filterKey}`, (ids) => list.read(scopeOf(ids), page));
  return toConnection(rows, page, {
    count: () => load(`count ${filterKey}`, (ids) => list.count(scopeOf(ids))),
    hasOthers: () => load(`others ${pageKey} ${filterKey}`, (ids) => list.hasOthers(scopeOf(ids), page)),
  });
}
