import fc from 'fast-check';
import {
  execute,
  getNamedType,
  isLeafType,
  isObjectType,
  parse,
  type ExecutionArgs,
  type GraphQLObjectType,
} from 'graphql';
import { apiSchema } from '../../src/app/services';
import { localViewer } from '../../src/core/viewer';
import { createContext } from '../../src/graphql/context';
import { hasPlainFields } from '../../src/graphql/plain-fields';
import { EventWriters } from '../../src/http/graphql/event-text';

const schema = apiSchema();
const roots = [
  ['trainingProgress(modelId: "m")', schema.getType('TrainingProgress')],
  ['generationProgress(generationId: "g")', schema.getType('GenerationProgress')],
  ['avatarCompleted(select: { modelId: "m" })', schema.getType('AvatarCompleted')],
] as [string, GraphQLObjectType][];

const plainTypes = Object.values(schema.getTypeMap())
  .filter(isObjectType)
  .filter((type) => hasPlainFields(type));

/** The fields of a type that a writer writes. */
const writtenFields = (type: GraphQLObjectType): string[] =>
  Object.values(type.getFields())
    .filter((field) => {
      const named = getNamedType(field.type);
      return isLeafType(named) || (isObjectType(named) && hasPlainFields(named));
    })
    .map(({ name }) => name);

/** A selection of fields that are written, in all of its forms. */
function selectionOf(type: GraphQLObjectType): fc.Arbitrary<string> {
  const fields = writtenFields(type).map((name) => {
    const named = getNamedType(type.getFields()[name]!.type);
    const inner = isObjectType(named) ? selectionOf(named) : fc.constant('');
    return inner.map((text) => `${name} ${text}`);
  });
  const field = fc.oneof(fc.constant('__typename '), ...fields);
  const form = fc.constantFrom(
    (text: string) => text,
    (text: string) => `a: ${text}`,
    (text: string) => text.replace(/^(\w+)/, '$1 @include(if: $yes)'),
    (text: string) => text.replace(/^(\w+)/, '$1 @skip(if: $yes)'),
    (text: string) => `... on ${type.name} { ${text} }`,
    (text: string) => `... @include(if: $no) { b: ${text} }`,
  );
  const member = fc.tuple(field, form).map(([text, apply]) => apply(text));
  return fc.array(member, { minLength: 1, maxLength: 6 }).map((members) => `{ ${members.join(' ')} }`);
}

const leaf = fc.oneof(
  fc.constantFrom(
    null,
    undefined,
    50,
    -1,
    1.5,
    true,
    'TRAINING',
    'COMPLETED',
    'UPSTREAM_FAILED',
    'ü"\\\u2028',
    '',
  ),
  fc.date({ noInvalidDate: false }),
  fc.constant('2026-01-31T12:34:56.789123+00:00'),
);

/** A value of a type, of which some properties disagree with the schema. */
function valueOf(type: GraphQLObjectType): fc.Arbitrary<object> {
  const properties = writtenFields(type).map((name) => {
    const named = getNamedType(type.getFields()[name]!.type);
    return [name, isObjectType(named) ? fc.option(valueOf(named)) : leaf] as const;
  });
  return fc.record(Object.fromEntries(properties), { requiredKeys: [] });
}

const argsOf = (query: string, variableValues: Record<string, unknown>): ExecutionArgs => ({
  schema,
  document: parse(query),
  variableValues,
});

const executed = async (args: ExecutionArgs, rootValue: unknown): Promise<string | null> => {
  const result = await execute({ ...args, rootValue, contextValue: createContext(localViewer, 'test') });
  return result.errors ? null : JSON.stringify(result);
};

/** Valid values of all fields that are written. */
const valid = {
  ...{ status: 'COMPLETED', progress: 50, estimatedReadyAt: new Date(5), occurredAt: new Date(6) },
  ...{ isEstimate: false, cursor: 'c', isSnapshot: true },
  failure: { code: 'UPSTREAM_FAILED', message: 'm', retryable: true },
};

describe('the writer of events', () => {
  it.each(roots)('writes the text of the executor, or leaves errors to it: %s', async (field, type) => {
    const [selection, value] = [selectionOf(type), fc.option(valueOf(type))];
    let written = 0;
    await fc.assert(
      fc.asyncProperty(selection, value, fc.boolean(), async (selected, root, yes) => {
        const query = `subscription ($yes: Boolean!, $no: Boolean! = false) { it: ${field} ${selected} }`;
        const args = argsOf(query, { yes });
        const writer = new EventWriters(args.document).of(args);
        const text = writer!(root);
        expect(text).toBe(await executed(args, root));
        if (text !== null) written += 1;
      }),
      { numRuns: 200, seed: 20 },
    );
    expect(written).toBeGreaterThan(20);
  });

  it('exists for the fields of a bar that shows progress', async () => {
    const names = writtenFields(roots[0]![1]).filter((name) => name in valid && name !== 'failure');
    const query = `subscription { trainingProgress(modelId: "m") { ${names.join(' ')} failure { code message retryable } } }`;
    const args = argsOf(query.replace('status', ''), {});
    const text = new EventWriters(args.document).of(args)!(valid);
    expect(text).toContain('"retryable":true');
    expect(text).toBe(await executed(args, valid));
  });

  it.each([
    ['objects of the database', 'trainingProgress(modelId: "m") { progress model { id } }'],
    ['an avatar', 'avatarCompleted(select: { modelId: "m" }) { cursor avatar { id } }'],
    ['several fields of Subscription', 'a: trainingProgress(modelId: "m") { cursor } __typename'],
    ['the name of the type Subscription', '__typename'],
  ])('does not exist for %s', (_what, selection) => {
    const args = argsOf(`subscription { ${selection} }`, {});
    expect(new EventWriters(args.document).of(args)).toBeNull();
  });

  it('depends on the operation and on the variables of directives', () => {
    const document = parse(`
      subscription A($long: Boolean = true) { trainingProgress(modelId: "m") { cursor progress @include(if: $long) } }
      subscription B { trainingProgress(modelId: "m") { isSnapshot } }`);
    const writers = new EventWriters(document);
    const textOf = (operationName: string, variableValues: Record<string, unknown> = {}): unknown => {
      const text = writers.of({ schema, document, operationName, variableValues })!(valid)!;
      return (JSON.parse(text) as { data: { trainingProgress: unknown } }).data.trainingProgress;
    };
    const all = [textOf('A'), textOf('A', { long: false }), textOf('B'), textOf('A')];
    const long = { cursor: 'c', progress: 50 };
    expect(all).toEqual([long, { cursor: 'c' }, { isSnapshot: true }, long]);
  });

  it('is declared for types of which every field is a property', () => {
    expect(plainTypes.map(({ name }) => name).sort()).toEqual([
      'AvatarCompleted',
      'Failure',
      'GenerationProgress',
      'TimeRange',
      'TrainingProgress',
    ]);
  });
});
