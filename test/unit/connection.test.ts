import { graphql, printSchema } from 'graphql';
import { Args, Field, ID, ObjectType, Query, Resolver } from 'type-graphql';
import { DomainError } from '../../src/core/errors';
import { newId } from '../../src/core/ids';
import type { ListOrder, ListPage } from '../../src/core/list-statements';
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
  type ListFacts,
} from '../../src/graphql/connection';
import { createContext } from '../../src/graphql/context';

interface Row {
  id: string;
}

/** Ids of rows created one after the other, the newest first, as lists are read. */
const ids = Array.from({ length: 45 }, (_, index) => newId(1_700_000_000_000 + index)).reverse();

/** Reads rows as a list does: by position, one row more than requested. */
function readRows({ size, isBackward, from }: ListPage): Row[] {
  const rows = isBackward ? [...ids].reverse() : ids;
  return rows
    .filter((id) => from === null || (isBackward ? id > from.id : id < from.id))
    .slice(0, size + 1)
    .map((id) => ({ id }));
}

const noFacts: ListFacts = {
  count: () => Promise.reject(new Error('It is not counted unless selected.')),
  hasOthers: () => Promise.resolve(true),
};

const cursorOf = (id: string): string => encodeCursor({ id, key: null });

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
  it('pages through a list, each node once', async () => {
    const seen: string[] = [];
    const sizes: number[] = [];
    let after: string | null = null;
    do {
      const page = readPage({ first: 20, after });
      const connection: Connection<Row> = toConnection(readRows(page), page, noFacts);
      seen.push(...connection.nodes.map((node) => node.id));
      sizes.push(connection.edges.length);
      expect(await connection.pageInfo.hasPreviousPage).toBe(after !== null);
      after = connection.pageInfo.hasNextPage ? connection.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen).toEqual(ids);
    expect(sizes).toEqual([20, 20, 5]);
  });

  it('has no next page after a full last page', () => {
    const page = readPage({ first: 45 });
    expect(toConnection(readRows(page), page, noFacts).pageInfo).toMatchObject({ hasNextPage: false });
  });

  it('has null cursors on an empty page', () => {
    expect(toConnection([], readPage({ first: 1 }), noFacts)).toMatchObject({
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

  it('encodes the position in a URL-safe cursor of its order', () => {
    for (const id of ids) {
      expect(cursorOf(id)).toMatch(/^[A-Za-z0-9_-]{22}$/);
      for (const order of ['NEWEST', 'OLDEST', 'NAME'] as const) {
        for (const name of order === 'NAME' ? ['', 'anna', '漢'.repeat(100), '🙂 é'] : [null]) {
          const cursor = encodeCursor({ id, key: name }, order);
          expect(decodeCursor(cursor, order, 'after')).toEqual({ id, key: name });
        }
      }
    }
  });

  it('rejects the cursor of another order', () => {
    const cursors = {
      NEWEST: cursorOf(ids[0]!),
      OLDEST: encodeCursor({ id: ids[0]!, key: null }, 'OLDEST'),
      NAME: encodeCursor({ id: ids[0]!, key: 'a' }, 'NAME'),
      FAVORITES: encodeCursor({ id: ids[0]!, key: 'true' }, 'FAVORITES'),
    };
    const orders = Object.keys(cursors) as ListOrder[];
    for (const order of orders) {
      for (const other of orders.filter((name) => name !== order)) {
        const error = refusal(() => readPage({ before: cursors[other] }, order));
        expect(error).toMatchObject({ code: 'INVALID_CURSOR', field: 'before' });
      }
    }
  });

  it.each([
    ['NEWEST', 'nothing', ''],
    ['NEWEST', 'a UUID', ids[0]!],
    ['NEWEST', 'something too long', `${cursorOf(ids[0]!)}A`],
    ['NEWEST', 'foreign letters', '+/+/+/+/+/+/+/+/+/+/+/'],
    ['NEWEST', 'bits that the id has not', `${cursorOf(ids[0]!).slice(0, 21)}_`],
    ['OLDEST', 'only the prefix', 'o'],
    ['NAME', 'only the prefix', 'n'],
    [
      'NAME',
      'bytes that are not text',
      `n${Buffer.from('00'.repeat(16) + 'ff', 'hex').toString('base64url')}`,
    ],
    ['NAME', 'a null character', encodeCursor({ id: ids[0]!, key: 'a\0b' }, 'NAME')],
    ['NAME', 'a name that is too long', encodeCursor({ id: ids[0]!, key: 'a'.repeat(1_000) }, 'NAME')],
  ] as const)('rejects in the order %s as a cursor: %s', (order, _what, cursor) => {
    expect(refusal(() => readPage({ first: 1, after: cursor }, order))).toMatchObject({
      code: 'INVALID_CURSOR',
      field: 'after',
    });
  });

  it.each([
    [{ first: 1, last: 1 }, 'last'],
    [{ first: 1, before: 'x' }, 'before'],
    [{ after: 'x', last: 1 }, 'last'],
    [{ after: 'x', before: 'x' }, 'before'],
    [{ last: 0 }, 'last'],
    [{ last: 101, before: cursorOf(ids[0]!) }, 'last'],
  ])('rejects %j', (args, field) => {
    expect(refusal(() => readPage(args))).toMatchObject({ code: 'INVALID_INPUT', field });
  });

  it.each([{}, { first: null, after: null, last: null, before: null }])('reads 20 nodes for %j', (args) => {
    expect(readPage(args)).toEqual({ order: 'NEWEST', size: 20, isBackward: false, from: null });
  });

  it('reads 20 nodes before a cursor without `last`, in the order of the list', () => {
    const page = readPage({ before: cursorOf(ids[30]!) });
    expect(toConnection(readRows(page), page, noFacts).nodes.map(({ id }) => id)).toEqual(ids.slice(10, 30));
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
        return toConnection(readRows(page), page, { ...noFacts, count: () => Promise.resolve(45) });
      }
    }
    const schema = buildAppSchema([new ThingResolver()], ({ viewer }) => Promise.resolve(viewer));
    const source =
      '{ things { nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } totalCount } }';
    const { data, errors } = await graphql({
      schema,
      source,
      contextValue: createContext(localViewer, 'one'),
    });
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      things: {
        nodes: ids.slice(0, 20).map((id) => ({ id })),
        pageInfo: { hasNextPage: true, endCursor: cursorOf(ids[19]!) },
        totalCount: 45,
      },
    });
    expect(printSchema(schema)).toMatch(/^ {4}first: Int$/m);
  });
});
