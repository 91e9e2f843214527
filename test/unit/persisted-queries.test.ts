import { createHash } from 'node:crypto';
import { PersistedQueries } from '../../src/http/graphql/persisted-queries';

const hashOf = (query: string): string => createHash('sha256').update(query).digest('hex');
const listed = '{ listed }';

describe('registered queries', () => {
  const found = (queries: PersistedQueries, query: string): boolean => {
    try {
      return queries.queryOf({ hash: hashOf(query) }) === query;
    } catch {
      return false;
    }
  };

  it('stay within their memory limit by evicting the least recently used', () => {
    const queries = new PersistedQueries({ maxBytes: 10_000, listed: new Map([[hashOf(listed), listed]]) });
    const texts = Array.from({ length: 100 }, (_, index) => `{ a${index} }`.padEnd(400));
    for (const text of texts) queries.register(hashOf(text), text);
    // Two bytes per character, and 200 for each entry.
    expect(texts.filter((text) => found(queries, text))).toEqual(texts.slice(-10));
    expect(found(queries, listed)).toBe(true);
  });

  it('are not stored if larger than the total limit', () => {
    const queries = new PersistedQueries({ maxBytes: 1_000 });
    const [small, large] = ['{ small }', '{ large }'.padEnd(1_000)];
    queries.register(hashOf(small), small);
    queries.register(hashOf(large), large);
    expect([found(queries, small), found(queries, large)]).toEqual([true, false]);
  });

  it('are disabled with an allow-list', () => {
    const queries = new PersistedQueries({
      maxBytes: 10_000,
      isOnly: true,
      listed: new Map([[hashOf(listed), listed]]),
    });
    const other = '{ other }';
    queries.register(hashOf(other), other);
    expect([found(queries, other), found(queries, listed)]).toEqual([false, true]);
    expect(() => queries.queryOf({ query: other, hash: hashOf(other) })).toThrow(
      'Only queries in the operator’s list',
    );
  });
});
