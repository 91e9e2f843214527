import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import { DomainError } from '../core/errors';
import { ProblemCollector } from '../core/input-problems';
import { positionOf, type ListOrder, type ListPage, type ListPosition } from '../core/list-statements';

/** Nodes per page. */
export const pageSizes = { default: 20, max: 100 } as const;

/** Pagination arguments. Validated by {@link readPage}. */
@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    description: `How many nodes to return from the start of the list, or after \`after\`: 1 to ${pageSizes.max}. Null: ${pageSizes.default}, unless \`last\` or \`before\` is given. Not with \`last\` or \`before\`.`,
  })
  first?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Return the nodes after this cursor: `pageInfo.endCursor` of the previous page. Null: from the start of the list. Not with `last` or `before`.',
  })
  after?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: `How many nodes to return from the end of the list, or before \`before\`: 1 to ${pageSizes.max}. They keep the order of the list. Null: ${pageSizes.default} if \`before\` is given. Not with \`first\` or \`after\`.`,
  })
  last?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Return the nodes before this cursor: `pageInfo.startCursor` of the next page. Null: up to the end of the list. Not with `first` or `after`.',
  })
  before?: string | null;
}

/**
 * Validates pagination arguments. Null is the same as absent.
 * @throws DomainError INVALID_INPUT (field `first`, `last`, `after` or `before`), INVALID_CURSOR (field `after` or
 * `before`), with all problems
 */
export function readPage(args: PageArgs, order: ListOrder = 'NEWEST'): ListPage {
  const problems = new ProblemCollector();
  problems.check(() => refuseBothDirections(args));
  for (const name of ['first', 'last'] as const) problems.check(() => checkSize(args[name], name));
  const [after, before] = (['after', 'before'] as const).map((name) =>
    problems.check(() => cursorIn(args[name], order, name)),
  );
  problems.throwIfAny();
  const isBackward = args.last != null || args.before != null;
  const size = (isBackward ? args.last : args.first) ?? pageSizes.default;
  return { order, size, isBackward, from: (isBackward ? before : after) ?? null };
}

/**
 * The argument `first` of a list without pages; null: the whole list.
 * @throws DomainError INVALID_INPUT
 */
export function firstIn(first: number | null | undefined): number | null {
  checkSize(first, 'first');
  return first ?? null;
}

function checkSize(size: number | null | undefined, field: 'first' | 'last'): void {
  if (size == null || (size >= 1 && size <= pageSizes.max)) return;
  throw new DomainError('INVALID_INPUT', `${field} must be 1 to ${pageSizes.max}; received ${size}.`, {
    field,
    details: { given: size, minimum: 1, maximum: pageSizes.max },
  });
}

function cursorIn(cursor: string | null | undefined, order: ListOrder, field: string): ListPosition | null {
  return cursor == null ? null : decodeCursor(cursor, order, field);
}

function refuseBothDirections(args: PageArgs): void {
  const forward = (['first', 'after'] as const).find((name) => args[name] != null);
  const backward = (['last', 'before'] as const).find((name) => args[name] != null);
  if (!forward || !backward) return;
  throw new DomainError(
    'INVALID_INPUT',
    `${forward} and ${backward} cannot be combined. Give first and after, or last and before.`,
    { field: backward },
  );
}

/** What a cursor of an order begins with. The newest first is the order that lists had before there were others. */
export const cursorPrefixes: Record<ListOrder, string> = {
  NEWEST: '',
  OLDEST: 'o',
  NAME: 'n',
  FAVORITES: 'f',
};

/** The cursor of a row: its position in base64url, after a letter for the order. Opaque to clients. */
export function encodeCursor({ id, key }: ListPosition, order: ListOrder = 'NEWEST'): string {
  const bytes = Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), Buffer.from(key ?? '')]);
  return `${cursorPrefixes[order]}${bytes.toString('base64url')}`;
}

/** The keys in cursors; null for orders without a key. No text in the database contains U+0000. */
const keyPatterns: Record<ListOrder, RegExp | null> = {
  NEWEST: null,
  OLDEST: null,
  NAME: /^[^\0]*$/,
  FAVORITES: /^(true|false)$/,
};

/** The maximum length of a cursor: longer than one with the longest name. */
const maxCursorLength = 601;

/**
 * Decodes a cursor to its position.
 * @throws DomainError INVALID_CURSOR if it was not made by {@link encodeCursor} for this order
 */
export function decodeCursor(cursor: string, order: ListOrder, field: string): ListPosition {
  const bytes = Buffer.from(cursor.slice(cursorPrefixes[order].length), 'base64url');
  const id = bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const pattern = keyPatterns[order];
  const key = pattern && bytes.toString('utf8', 16);
  const position = { id, key };
  const isPosition = bytes.length >= 16 && (key === null || pattern!.test(key));
  // Other encodings of the same bytes, and bytes that are not text, are refused.
  if (cursor.length <= maxCursorLength && isPosition && encodeCursor(position, order) === cursor)
    return position;
  throw new DomainError(
    'INVALID_CURSOR',
    `${field} is not a cursor of this list in this order. Use pageInfo of a page with the same orderBy, or omit ${field}.`,
    { field },
  );
}

/** A node with its cursor. */
export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

/** A page of a list, as defined by the Relay connection specification. */
export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfo;
  readonly totalCount: number | Promise<number>;
}

/** What is read of a list only if a client selects it. */
export interface ListFacts {
  count(): Promise<number>;
  /** Whether rows are on the other side of the cursor that was given. */
  hasOthers(): Promise<boolean>;
}

/**
 * Converts rows to a page.
 * @param rows - in reading direction, read with a limit of `page.size + 1`
 */
export function toConnection<Row extends { readonly id: string }>(
  rows: readonly Row[],
  page: ListPage,
  facts: ListFacts,
): Connection<Row> {
  const nodes = rows.slice(0, page.size);
  if (page.isBackward) nodes.reverse();
  const edges = nodes.map((node) => ({
    cursor: encodeCursor(positionOf(node, page.order), page.order),
    node,
  }));
  const hasMore = rows.length > page.size;
  const hasOthers = (): boolean | Promise<boolean> => page.from !== null && facts.hasOthers();
  return {
    edges,
    nodes,
    pageInfo: {
      get hasNextPage() {
        return page.isBackward ? hasOthers() : hasMore;
      },
      get hasPreviousPage() {
        return page.isBackward ? hasMore : hasOthers();
      },
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    get totalCount() {
      return facts.count();
    },
  };
}

/** Relay page information. */
@ObjectType({ description: 'The position of a page in its list.' })
export class PageInfo {
  @Field(() => Boolean, {
    description: 'Whether there are nodes after this page. Request them with `first` and `after: endCursor`.',
  })
  readonly hasNextPage: boolean | Promise<boolean>;

  @Field(() => Boolean, {
    description:
      'Whether there are nodes before this page. Request them with `last` and `before: startCursor`.',
  })
  readonly hasPreviousPage: boolean | Promise<boolean>;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the first node; null if the page is empty.',
  })
  readonly startCursor: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the last node; null if the page is empty.',
  })
  readonly endCursor: string | null;
}

/**
 * Creates the types `<name>Connection` and `<name>Edge`. Call it once per node type.
 * @param nodeType - returns the class of the node type; a function, so that types can reference each other
 * @param list - what its pages are of, for the description
 */
export function createConnectionType<Node extends object>(
  name: string,
  nodeType: () => ClassType<Node>,
  list = `list of ${name}s`,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`, { description: `A node of ${name}Connection with its cursor.` })
  class EdgeType implements Edge<Node> {
    @Field(() => String, {
      description:
        'The cursor of the node, for `after` and `before` with the same `orderBy`. It is valid with any filter.',
    })
    cursor: string;

    @Field(() => nodeType(), { description: 'The node.' })
    node: Node;
  }

  @ObjectType(`${name}Connection`, { description: `A page of a ${list}.` })
  class ConnectionType implements Connection<Node> {
    @Field(() => [EdgeType], { description: 'The nodes of this page with their cursors.' })
    edges: Edge<Node>[];

    @Field(() => [nodeType()], { description: 'The nodes of this page.' })
    nodes: Node[];

    @Field(() => PageInfo, { description: 'The position of this page in the list.' })
    pageInfo: PageInfo;

    @Field(() => Int, { description: 'The number of nodes on all pages. Counted only if selected.' })
    totalCount: number | Promise<number>;
  }
  return ConnectionType;
}
