import fc from 'fast-check';
import { claimKey, type KeyedCall } from '../../src/accounts/idempotency.repository';
import type { Sql } from '../../src/core/sql';
import { engines } from '../../src/database/engine';

/** A database that accepts every key and records it. */
class Taking implements Sql {
  readonly engine = engines.postgresql;
  readonly written: unknown[][] = [];
  readonly entities: Sql['entities'] = () => Promise.reject(new Error('not used'));

  rows<Row>(_text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    this.written.push([...parameters]);
    return Promise.resolve([{ key: parameters[1] }] as Row[]);
  }
}

const call = (changes: Partial<KeyedCall> = {}): KeyedCall => ({
  owner: 'ann',
  key: 'key-1',
  operation: 'trainModel',
  input: { name: 'Ann', photoIds: ['a', 'b'] },
  resultId: '01890000-0000-7000-8000-000000000000',
  ...changes,
});

/** The digest of the input as it is written. */
async function digest(input: unknown): Promise<unknown> {
  const sql = new Taking();
  await claimKey(sql, call({ input }));
  return sql.written[0]?.[3];
}

describe('an idempotency key', () => {
  it.each(['k', '0192f0c1-7d5e-7a3b-8c1d-2e3f4a5b6c7d', '!~', 'x'.repeat(255)])(
    'is accepted: %j',
    async (key) => {
      const sql = new Taking();
      await expect(claimKey(sql, call({ key }))).resolves.toBeNull();
      expect(sql.written[0]?.slice(0, 3)).toEqual(['ann', key, 'trainModel']);
    },
  );

  it.each(['', ' ', 'a b', 'key\n', 'clé', '\u0000', 'x'.repeat(256)])(
    'is rejected before any query: %j',
    async (key) => {
      const sql = new Taking();
      await expect(claimKey(sql, call({ key }))).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: 'input.idempotencyKey',
      });
      expect(sql.written).toEqual([]);
    },
  );

  it.each([null, undefined])('is optional: %s', async (key) => {
    const sql = new Taking();
    await expect(claimKey(sql, call({ key }))).resolves.toBeNull();
    expect(sql.written).toEqual([]);
  });
});

describe('the hash of an input', () => {
  it('does not depend on the order of fields at any depth', async () => {
    const one = { name: 'Ann', prompts: [{ style: 'anime', count: 2 }] };
    const same = { prompts: [{ count: 2, style: 'anime' }], name: 'Ann' };
    expect(await digest(one)).toBe(await digest(same));
    expect(await digest(one)).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<[string, unknown, unknown]>([
    ['another value', { name: 'Ann' }, { name: 'Bob' }],
    ['another order of a list', { ids: ['a', 'b'] }, { ids: ['b', 'a'] }],
    ['a number for a text', { count: 1 }, { count: '1' }],
    ['null for nothing', { prompt: null }, {}],
    ['a list for its element', { ids: ['a'] }, { ids: 'a' }],
    ['a field’s name for its value', { a: 'b' }, { b: 'a' }],
  ])('differs with %s', async (_, one, other) => {
    expect(await digest(one)).not.toBe(await digest(other));
  });

  it('is equal exactly if the JSON is equal', async () => {
    const inputs = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const shuffled = Object.fromEntries(Object.entries(input).reverse());
        expect(await digest(shuffled)).toBe(await digest(input));
      }),
    );
  });
});
