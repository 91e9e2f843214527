import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CriticalityLevel, diff, DiffRule } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

const read = (name: string): string => readFileSync(join(__dirname, '../../schema', name), 'utf8');

/** What clients of the released schema would notice; a deprecated element may be removed. */
async function breakingChanges(released: string, present: string): Promise<string[]> {
  const rules = [DiffRule.suppressRemovalOfDeprecatedField];
  const changes = await diff(buildSchema(released), buildSchema(present), rules);
  return changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ message }) => message);
}

describe('the schema, compared with the one last released', () => {
  it('breaks no client', async () => {
    expect(await breakingChanges(read('released.graphql'), read('schema.graphql'))).toEqual([]);
  });

  it.each([
    ['a removed field', 'type Query { a: Int }', 'type Query { b: Int }'],
    ['a nullable field that was not', 'type Query { a: Int! }', 'type Query { a: Int }'],
    ['a new required argument', 'type Query { a: Int }', 'type Query { a(b: Int!): Int }'],
    ['a removed enum value', 'type Query { a: E } enum E { A B }', 'type Query { a: E } enum E { A }'],
    ['a changed type', 'type Query { a: Int }', 'type Query { a: Float }'],
  ])('would find %s', async (_what, released, present) => {
    expect(await breakingChanges(released, present)).not.toEqual([]);
  });

  it('allows the removal of a deprecated field', async () => {
    const released = 'type Query { a: Int b: Int @deprecated(reason: "Use a. Removed in 1.0.") }';
    expect(await breakingChanges(released, 'type Query { a: Int }')).toEqual([]);
  });
});
