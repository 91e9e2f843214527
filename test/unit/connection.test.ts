import { graphql, printSchema } from 'graphql';
import { Args, Field, ID, ObjectType, Query, Resolver } from 'type-graphql';
import { DomainError } from '../../src/core/errors';
import { newId } from '../../src/core/ids';
import { localViewer } from '../../src/core/viewer';
import { buildAppSchema } from '../../src/graphql/build-schema';
import {
  createConnectionType,
  decodeCursor,
  encodeCursor,
  PageArgs,
  readPage,
  toConnection,
  type Connection,
} from '../../src/graphql/connection';
import { createContext } from '../../src/graphql/context';

interface Row {
  id: string;
}

/** Ids of rows created one after the other, the newest first, as lists are read. */
const ids = Array.from({ length: 45 }, (_, index) => newId(1_700_000_000_000 + index)).reverse();

/** The query of a service for a page: keyset, newest first, one row more than requested. */
function readRows(first: number, afterId: string | null): Row[] {
  return ids
    .filter((id) => afterId === null || id < afterId)
    .slice(0, first + 1)
    .map((id) => ({ id }));
}

function refusal(work: () => unknown): DomainError {
  try {
    work();
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
}

describe('connection', () => {
  it('pages through a list, each node once', () => {
    const seen: string[] = [];
    const sizes: number[] = [];
    let after: string | null = null;
    do {
      const page = readPage({ first: 20, after });
      const connection: Connection<Row> = toConnection(readRows(page.first, page.afterId), page);
      seen.push(...connection.nodes.map((node) => node.id));
      sizes.push(connection.edges.length);
      expect(connection.pageInfo.hasPreviousPage).toBe(after !== null);
      after = connection.pageInfo.hasNextPage ? connection.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen).toEqual(ids);
    expect(sizes).toEqual([20, 20, 5]);
  });

  it('has no next page after a full last page', () => {
    const page = readPage({ first: 45 });
    expect(toConnection(readRows(45, null), page).pageInfo).toMatchObject({ hasNextPage: false });
  });

  it('has null cursors on an empty page', () => {
    expect(toConnection([], readPage({ first: 1 }))).toEqual({
      edges: [],
      nodes: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });

  it.each([0, -1, 101, 2_147_483_647])('rejects a page size of %d', (first) => {
    const error = refusal(() => readPage({ first }));
    expect(error).toMatchObject({ code: 'INVALID_INPUT', field: 'first' });
    expect(error.details).toEqual({ given: first, minimum: 1, maximum: 100 });
  });

  it('encodes the id in a URL-safe cursor', () => {
    for (const id of ids) {
      expect(encodeCursor(id)).toMatch(/^[A-Za-z0-9_-]{22}$/);
      expect(decodeCursor(encodeCursor(id))).toBe(id);
    }
  });

  it.each([
    ['nothing', ''],
    ['a UUID', ids[0]!],
    ['something too long', `${encodeCursor(ids[0]!)}A`],
    ['foreign letters', '+/+/+/+/+/+/+/+/+/+/+/'],
    ['bits that the id has not', `${encodeCursor(ids[0]!).slice(0, 21)}_`],
  ])('rejects %s as a cursor', (_what, cursor) => {
    expect(refusal(() => readPage({ first: 1, after: cursor }))).toMatchObject({
      code: 'INVALID_CURSOR',
      field: 'after',
    });
  });

  it('builds Relay types that a query can page through', async () => {
    @ObjectType('Thing', { description: 'A thing.' })
    class ThingType implements Row {
      @Field(() => ID, { description: 'Its id.' })
      id: string;
    }
    const ThingConnection = createConnectionType('Thing', () => ThingType);

    @Resolver()
    class ThingResolver {
      @Query(() => ThingConnection, { description: 'All things.' })
      things(@Args(() => PageArgs) args: PageArgs): Connection<Row> {
        const page = readPage(args);
        return toConnection(readRows(page.first, page.afterId), page);
      }
    }
    const schema = buildAppSchema([new ThingResolver()], ({ viewer }) => Promise.resolve(viewer));
    const source =
      '{ things { nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }';
    const { data, errors } = await graphql({
      schema,
      source,
      contextValue: createContext(localViewer, 'one'),
    });
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      things: {
        nodes: ids.slice(0, 20).map((id) => ({ id })),
        pageInfo: { hasNextPage: true, endCursor: encodeCursor(ids[19]!) },
      },
    });
    expect(printSchema(schema)).toContain('first: Int! = 20');
  });
});
