import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import { DomainError } from '../core/errors';

/** How many nodes a page has if nobody says, and at most. */
const pageSizes = { default: 20, max: 100 } as const;

/** Which page of a list, as the client asks for it. Checked by {@link readPage}. */
@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    defaultValue: pageSizes.default,
    description: `How many of the list: 1 to ${pageSizes.max}.`,
  })
  first: number = pageSizes.default;

  @Field(() => String, {
    nullable: true,
    description: 'Continue after this cursor: `pageInfo.endCursor` of the page before.',
  })
  after?: string | null;
}

/** Which page of a list, checked. */
export interface Page {
  /** 1 to 100. Read one row more than this: it tells whether there is a next page. */
  readonly first: number;
  /** The UUID of the last row of the page before; null at the beginning. The newest row comes first. */
  readonly afterId: string | null;
}

/**
 * Checks what the client asked for.
 * @throws DomainError INVALID_INPUT (field `first`), INVALID_CURSOR (field `after`)
 */
export function readPage(args: PageArgs): Page {
  const { first, after } = args;
  if (first < 1 || first > pageSizes.max) {
    throw new DomainError(
      'INVALID_INPUT',
      `A page has 1 to ${pageSizes.max} nodes; ${first} were asked for.`,
      {
        field: 'first',
        details: { given: first, minimum: 1, maximum: pageSizes.max },
      },
    );
  }
  return { first, afterId: after == null ? null : decodeCursor(after) };
}

/** The cursor of a row: its UUID in 22 characters that need no escaping in a URL. Clients must not read it. */
export function encodeCursor(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

/**
 * The UUID in a cursor.
 * @throws DomainError INVALID_CURSOR (field `after`) if no {@link encodeCursor} made it
 */
export function decodeCursor(cursor: string): string {
  const bytes = /^[A-Za-z0-9_-]{22}$/.test(cursor) ? Buffer.from(cursor, 'base64url') : null;
  // Base64 has several spellings of the same bytes; only ours is one.
  if (bytes?.toString('base64url') !== cursor) {
    throw new DomainError(
      'INVALID_CURSOR',
      'This is no cursor of this list. Take pageInfo.endCursor of the page before, or leave `after` out.',
      { field: 'after' },
    );
  }
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A node and where it stands. */
export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

/** A page of a list, after Relay's specification of connections. */
export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfo;
}

/**
 * Makes a page of the rows that were read.
 * @param rows - in the list's order, read with a limit of `page.first + 1`
 * @param keyOf - the UUID that the list is ordered by; the row's `id` unless said otherwise
 */
export function toConnection<Row extends { readonly id: string }>(
  rows: readonly Row[],
  page: Page,
  keyOf: (row: Row) => string = (row) => row.id,
): Connection<Row> {
  const nodes = rows.slice(0, page.first);
  const edges = nodes.map((node) => ({ cursor: encodeCursor(keyOf(node)), node }));
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: rows.length > page.first,
      hasPreviousPage: page.afterId !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

/** Where a page stands in its list. */
@ObjectType({ description: 'Where a page stands in its list.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether more follow: ask again with `after: endCursor`.' })
  hasNextPage: boolean;

  @Field(() => Boolean, { description: 'Whether this page was asked for with `after`.' })
  hasPreviousPage: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the first node; null if there is none.',
  })
  startCursor: string | null;

  @Field(() => String, { nullable: true, description: 'The cursor of the last node; null if there is none.' })
  endCursor: string | null;
}

/**
 * Makes the types `<name>Connection` and `<name>Edge`. Call it once a node type, beside that type.
 * @param nodeType - the class of the nodes' API type; a function, so that types may name each other
 */
export function createConnectionType<Node extends object>(
  name: string,
  nodeType: () => ClassType<Node>,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`, { description: `A node of ${name}Connection and where it stands.` })
  class EdgeType implements Edge<Node> {
    @Field(() => String, { description: 'Where the node stands: what `after` takes.' })
    cursor: string;

    @Field(() => nodeType(), { description: 'The node itself.' })
    node: Node;
  }

  @ObjectType(`${name}Connection`, { description: `A page of a list of ${name}s, the newest first.` })
  class ConnectionType implements Connection<Node> {
    @Field(() => [EdgeType], { description: 'The nodes of this page with their cursors.' })
    edges: Edge<Node>[];

    @Field(() => [nodeType()], { description: 'The nodes of this page.' })
    nodes: Node[];

    @Field(() => PageInfo, { description: 'Where this page stands in the list.' })
    pageInfo: PageInfo;
  }
  return ConnectionType;
}
