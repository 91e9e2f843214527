import { isObjectType, type GraphQLField } from 'graphql';
import { apiSchema } from '../../src/app/services';
import type { Scope } from '../../src/core/viewer';

const schema = apiSchema();
const all: Scope[] = ['read', 'write', 'admin'];

type Root = GraphQLField<unknown, unknown>;

const rows = ['Query', 'Mutation', 'Subscription'].flatMap((typeName) => {
  const type = schema.getType(typeName);
  return isObjectType(type)
    ? Object.values(type.getFields()).map((field): [string, Root] => [`${typeName}.${field.name}`, field])
    : [];
});

const neededBy = (path: string): Scope => {
  if (path === 'Query.operator') return 'admin';
  return path.startsWith('Mutation.') && path !== 'Mutation.downloadAvatars' ? 'write' : 'read';
};

/** The immediate error of a field for a viewer with the given scopes; null if it starts. */
function refusal(call: Root['resolve'], scopes: readonly Scope[]): unknown {
  const viewer = { owner: 'alice', scopes: new Set(scopes) };
  try {
    // Later errors from invalid arguments are not relevant here.
    const result: unknown = call!({}, {}, { viewer, requestId: 'test' }, {} as never);
    void Promise.resolve(result).catch(() => undefined);
    return null;
  } catch (error) {
    return (error as { code?: unknown }).code === 'FORBIDDEN' ? error : null;
  }
}

describe('the root fields of the schema', () => {
  it('are numerous', () => {
    expect(rows.length).toBeGreaterThan(20);
  });

  it.each(rows)('require exactly their scope: %s', (path, field) => {
    const needed = neededBy(path);
    const others = all.filter((scope) => scope !== needed);
    const calls = [field.resolve, ...(field.subscribe ? [field.subscribe] : [])];
    for (const call of calls) {
      expect(refusal(call, others)).toMatchObject({ code: 'FORBIDDEN', details: { needed, given: others } });
      expect(refusal(call, [needed])).toBeNull();
    }
  });

  it('require it of subscriptions before they start', () => {
    const fields = Object.values(schema.getSubscriptionType()!.getFields());
    expect(fields.every((field) => field.subscribe !== undefined)).toBe(true);
  });
});
