import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import { DomainError } from '../core/errors';

/** Nodes per page. */
const pageSizes = { default: 20, max: 100 } as const;

/** Pagination arguments. Validated by {@link readPage}. */
@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    defaultValue: pageSizes.default,
    description: `Number of nodes to return, 1 to ${pageSizes.max}.`,
  })
  first: number = pageSizes.default;

  @Field(() => String, {
    nullable: true,
    description: 'Return the nodes after this cursor: `pageInfo.endCursor` of the previous page.',
  })
  after?: string | null;
}

/** Validated pagination arguments. */
export interface Page {
  /** 1 to 100. Read one additional row to determine whether there is a next page. */
  readonly first: number;
  /** The UUID of the last row of the previous page; null for the first page. Lists start with the newest row. */
  readonly afterId: string | null;
}

/**
 * Validates pagination arguments.
 * @throws DomainError INVALID_INPUT (field `first`), INVALID_CURSOR (field `after`)
 */
export function readPage(args: PageArgs): Page {
  const { first, after } = args;
  if (first < 1 || first > pageSizes.max) {
    throw new DomainError('INVALID_INPUT', `first must be 1 to ${pageSizes.max}; received ${first}.`, {
      field: 'first',
      details: { given: first, minimum: 1, maximum: pageSizes.max },
    });
  }
  return { first, afterId: after == null ? null : decodeCursor(after) };
}

/** The cursor of a row: its UUID in base64url. Opaque to clients. */
export function encodeCursor(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

/**
 * Decodes a cursor to its UUID.
 * @throws DomainError INVALID_CURSOR (field `after`) if it was not made by {@link encodeCursor}
 */
export function decodeCursor(cursor: string): string {
  const bytes = /^[A-Za-z0-9_-]{22}$/.test(cursor) ? Buffer.from(cursor, 'base64url') : null;
  // Base64 has several encodings of the same bytes; only the canonical one is accepted.
  if (bytes?.toString('base64url') !== cursor) {
    throw new DomainError(
      'INVALID_CURSOR',
      'after is not a cursor of this list. Use pageInfo.endCursor of the previous page, or omit after.',
      { field: 'after' },
    );
  }
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
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
}

/**
 * Converts rows to a page.
 * @param rows - in the list's order, read with a limit of `page.first + 1`
 */
export function toConnection<Row extends { readonly id: string }>(
  rows: readonly Row[],
  page: Page,
): Connection<Row> {
  const nodes = rows.slice(0, page.first);
  const edges = nodes.map((node) => ({ cursor: encodeCursor(node.id), node }));
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

/** Relay page information. */
@ObjectType({ description: 'The position of a page in its list.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether there is a next page. Request it with `after: endCursor`.' })
  hasNextPage: boolean;

  @Field(() => Boolean, { description: 'Whether this page was requested with `after`.' })
  hasPreviousPage: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the first node; null if the page is empty.',
  })
  startCursor: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the last node; null if the page is empty.',
  })
  endCursor: string | null;
}

/**
 * Creates the types `<name>Connection` and `<name>Edge`. Call it once per node type.
 * @param nodeType - returns the class of the node type; a function, so that types can reference each other
 */
export function createConnectionType<Node extends object>(
  name: string,
  nodeType: () => ClassType<Node>,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`, { description: `A node of ${name}Connection with its cursor.` })
  class EdgeType implements Edge<Node> {
    @Field(() => String, { description: 'The cursor of the node, for the argument `after`.' })
    cursor: string;

    @Field(() => nodeType(), { description: 'The node.' })
    node: Node;
  }

  @ObjectType(`${name}Connection`, { description: `A page of a list of ${name}s, newest first.` })
  class ConnectionType implements Connection<Node> {
    @Field(() => [EdgeType], { description: 'The nodes of this page with their cursors.' })
    edges: Edge<Node>[];

    @Field(() => [nodeType()], { description: 'The nodes of this page.' })
    nodes: Node[];

    @Field(() => PageInfo, { description: 'The position of this page in the list.' })
    pageInfo: PageInfo;
  }
  return ConnectionType;
}
