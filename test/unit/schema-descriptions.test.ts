import {
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isNonNullType,
  isScalarType,
  isUnionType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
} from 'graphql';
import { apiSchema } from '../../src/app/services';

/** A field, an argument, an enum value or a type, with what a reader of the schema sees of it. */
interface Element {
  path: string;
  description: string;
  isDeprecated: boolean;
  isNullable: boolean;
  kind: 'type' | 'value' | 'output' | 'input' | 'argument';
  /** The type that it belongs to. */
  owner: GraphQLNamedType;
}

const schema = apiSchema();
const types = Object.values(schema.getTypeMap()).filter((type) => !isIntrospectionType(type));
const elements: Element[] = types.flatMap((owner) => [
  element('type', owner.name, owner, { description: owner.description }),
  ...membersOf(owner),
]);

function element(
  kind: Element['kind'],
  path: string,
  owner: GraphQLNamedType,
  { description, deprecationReason, type }: Partial<GraphQLArgument>,
): Element {
  const isNullable = type !== undefined && !isNonNullType(type);
  return {
    ...{ kind, path, owner, isNullable },
    description: description ?? '',
    isDeprecated: deprecationReason != null,
  };
}

function membersOf(owner: GraphQLNamedType): Element[] {
  if (isScalarType(owner) || isUnionType(owner)) return [];
  if (isEnumType(owner))
    return owner
      .getValues()
      .map(({ name, description, deprecationReason }) =>
        element('value', `${owner.name}.${name}`, owner, { description, deprecationReason }),
      );
  return Object.values(owner.getFields()).flatMap(
    (field: GraphQLField<unknown, unknown> | GraphQLInputField) => {
      const path = `${owner.name}.${field.name}`;
      if (!('args' in field)) return [element('input', path, owner, field)];
      const shape = field as unknown as Partial<GraphQLArgument>;
      return [
        element('output', path, owner, shape),
        ...field.args.map((argument) => element('argument', `${path}(${argument.name})`, owner, argument)),
      ];
    },
  );
}

/** The paths of elements that break a rule. */
function violations(rule: (each: Element) => boolean): string[] {
  return elements.filter((each) => !each.isDeprecated && rule(each)).map(({ path }) => path);
}

const saysNull = ({ description }: Pick<Element, 'description'>): boolean => /\bnull\b/i.test(description);

describe('the descriptions of the schema', () => {
  it('say what null means in each nullable field; for all mutations, their type does', () => {
    const type = schema.getMutationType()!;
    expect(saysNull({ description: type.description ?? '' })).toBe(true);
    expect(
      violations(
        (each) => each.kind === 'output' && each.isNullable && each.owner !== type && !saysNull(each),
      ),
    ).toEqual([]);
  });

  it('say what null means in each nullable argument and input field; for filters, their type does', () => {
    const isExplained = (each: Element): boolean =>
      saysNull(each) ||
      /\bdefault\b/i.test(each.description) ||
      (isInputObjectType(each.owner) &&
        (each.owner.isOneOf ||
          (each.owner.name.endsWith('Filter') && /\bnull\b/.test(each.owner.description!))));
    expect(
      violations(
        (each) => ['input', 'argument'].includes(each.kind) && each.isNullable && !isExplained(each),
      ),
    ).toEqual([]);
  });

  it('list the errors of each mutation and subscription', () => {
    const roots = [schema.getMutationType()!, schema.getSubscriptionType()!];
    const codes = new RegExp(`\\bErrors: (${namesOf('ErrorCode').join('|')})\\b`);
    expect(
      violations(
        ({ kind, owner, description }) =>
          kind === 'output' && roots.some((root) => root === owner) && !codes.test(description),
      ),
    ).toEqual([]);
  });

  it('use only codes and statuses that the schema has', () => {
    const values = new Set(
      elements.filter(({ kind }) => kind === 'value').map(({ path }) => path.split('.')[1]),
    );
    const unknown = elements.flatMap(({ path, description }) =>
      (withoutCode(description).match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? [])
        .filter((code) => !values.has(code))
        .map((code) => `${path}: ${code}`),
    );
    expect(unknown).toEqual([]);
  });

  it('name fields, arguments and types that the schema has', () => {
    const names = new Set(elements.flatMap(({ path }) => path.split(/[.()]/)));
    const unknown = elements.flatMap(({ path, description }) =>
      [...description.matchAll(/`([a-zA-Z]\w*(?:\.\w+)*)(?:\(\w+\))?`/g)]
        .map((match) => match[1]!)
        .filter((reference) => !otherCode.includes(reference))
        .filter((reference) => !reference.split('.').every((name) => names.has(name)))
        .map((reference) => `${path}: ${reference}`),
    );
    expect(unknown).toEqual([]);
  });

  it('use one word for one thing, and typographic apostrophes', () => {
    const words = /\bupstream\b|\bcurrent state\b|\bgateway's\b|on the photos?\b|\w'\w/i;
    expect(violations(({ description }) => words.test(withoutCode(description)))).toEqual([]);
  });

  it('say how long the grace period is', () => {
    expect(
      violations(
        ({ description }) =>
          description.includes('grace period') && !/\d+ minutes|UNCERTAIN/.test(description),
      ),
    ).toEqual([]);
  });
});

/** What descriptions quote that is not part of the schema: parts of requests and errors, and values. */
const otherCode = [
  ...['operationName', 'path', 'extensions', 'extensions.code', 'extensions.problems'],
  ...['limit', 'maximum', 'given', 'retryAfterSeconds'],
  ...['DELETE', 'instant', 'true', 'false', 'sub', 'local', 'read', 'write', 'admin', 'data.json'],
];

const withoutCode = (description: string): string => description.replaceAll(/`[^`]*`/g, '');

function namesOf(enumName: string): string[] {
  const type = schema.getType(enumName);
  return isEnumType(type) ? type.getValues().map(({ name }) => name) : [];
}
