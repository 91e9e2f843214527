import { GraphQLID, GraphQLList, GraphQLString, parse, buildSchema, type GraphQLField } from 'graphql';
import { newId, toGlobalId } from '../../src/core/ids';
import type { Viewer } from '../../src/core/viewer';
import { hideOtherIds } from '../../src/graphql/client-token-access';
import { PlannedReads, type ReadOutcome } from '../../src/reads/planned-reads';

describe('hideOtherIds', () => {
  it('looks up each id once, and a limited number of them', async () => {
    const field = {
      args: [{ name: 'ids', type: new GraphQLList(GraphQLID) }],
      type: GraphQLString,
    } as unknown as GraphQLField<unknown, unknown>;
    const own = toGlobalId('Avatar', newId());
    const others = Array.from({ length: 500 }, () => toGlobalId('Avatar', newId()));
    const asked: (readonly string[])[] = [];
    const rules = {
      countUse: () => Promise.resolve(),
      findWithin: (_restriction: unknown, ids: readonly string[]) => {
        asked.push(ids);
        return Promise.resolve(new Set([own]));
      },
    };
    const restriction = { kind: 'AvatarModel', id: newId() } as const;
    const hidden = async (ids: string[]): Promise<unknown[]> =>
      (await hideOtherIds(rules, restriction, field, { ids })).ids as unknown[];
    expect((await hidden([own, own, ...others.slice(0, 1), own])).filter((id) => id === own)).toHaveLength(3);
    expect(asked).toEqual([[own, others[0]]]);
    expect(await hidden([own, ...others])).toHaveLength(501);
    expect(asked[1]).toHaveLength(200);
  });
});

describe('PlannedReads', () => {
  const schema = buildSchema('type Query { operator: String }');
  const viewer: Viewer = { owner: 'alice', scopes: new Set(['read']) };

  it('leaves client tokens to the resolvers if a planned root field is closed to them', () => {
    const outcomes: ReadOutcome[] = [];
    const reads = new PlannedReads({
      schema,
      sources: { nodes: [], types: [], roots: { operator: { kind: 'lookup', types: [] } } },
      sql: { text: () => Promise.reject(new Error('not expected')) },
      isBeingErased: () => 'false',
      onRead: (outcome) => void outcomes.push(outcome),
      onError: () => undefined,
    });
    const args = { schema, document: parse('{ operator }') };
    const clientToken = { id: newId(), restriction: null, isCounted: false };
    expect(reads.prepare(args, { ...viewer, clientToken })).toBeNull();
    expect(reads.prepare(args, viewer)).toBeNull();
    expect(outcomes[0]).toBe('scope');
    expect(outcomes[1]).not.toBe('scope');
  });
});
