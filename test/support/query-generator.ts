import fc from 'fast-check';
import {
  getNamedType,
  isInterfaceType,
  isLeafType,
  isNonNullType,
  isObjectType,
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';

type Composite = GraphQLObjectType | GraphQLInterfaceType;
type Field = GraphQLField<unknown, unknown>;

/** A generated operation. */
export interface GeneratedQuery {
  query: string;
  variables: Record<string, unknown>;
}

/** Values that arguments of generated queries take. */
export interface QueryValues {
  /** Global ids, also of other owners and unknown ones. */
  ids: readonly string[];
  cursors: readonly string[];
}

/** Fields that are read from rows. */
const roots = [
  'models',
  'generations',
  'avatars',
  'photos',
  'model',
  'generation',
  'avatar',
  'photo',
  'node',
  'nodes',
  'viewer',
];

/** Fields whose objects have no objects of rows. */
const leafObjects = ['failure', 'pageInfo', 'missing', 'prompt', 'usage', 'limits', 'call'];

const objectArguments = ['id', 'size', 'format'];
const ownArguments = [...objectArguments, 'first'];

const kinds = ['AvatarModel', 'Generation', 'Avatar', 'Photo'];

/** A mutation whose repetition with the same input returns the same objects. */
export interface RepeatableMutation {
  readonly field: string;
  readonly input: object;
}

/** Writes random valid queries of rows, with aliases, directives, fragments and variables. */
export class QueryGenerator {
  private fragments: string[] = [];
  private definitions: string[] = [];
  private variables: Record<string, unknown> = {};
  private names = 0;

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly values: QueryValues,
    private readonly choose: fc.GeneratorValue,
  ) {}

  next(): GeneratedQuery {
    this.reset();
    const query = this.schema.getQueryType()!;
    const count = this.among([1, 1, 1, 2, 3]);
    const selected = Array.from({ length: count }, () =>
      this.field(query.getFields()[this.among(roots)]!, 3),
    );
    const definitions = this.definitions.length > 0 ? `(${this.definitions.join(', ')})` : '';
    const text = `query ${definitions} { ${selected.join(' ')} } ${this.fragments.join(' ')}`;
    return { query: text, variables: this.variables };
  }

  /** One of the mutations, with a random selection of its payload. */
  nextMutation(mutations: readonly RepeatableMutation[]): GeneratedQuery {
    this.reset();
    const { field, input } = this.among(mutations);
    const definition = this.schema.getMutationType()!.getFields()[field]!;
    const given = this.variable(String(definition.args[0]!.type), input);
    const payload = this.selections(getNamedType(definition.type) as Composite, 3);
    const key = this.happens(3) ? 'aliased: ' : '';
    const more = this.happens(4) ? '__typename ' : '';
    const text = `${more}${key}${field}(input: ${given}) { ${payload} }`;
    return {
      query: `mutation (${this.definitions.join(', ')}) { ${text} } ${this.fragments.join(' ')}`,
      variables: this.variables,
    };
  }

  private reset(): void {
    [this.fragments, this.definitions, this.variables, this.names] = [[], [], {}, 0];
  }

  private among<Value>(values: readonly Value[]): Value {
    return values[this.choose(fc.nat, { max: values.length - 1 })]!;
  }

  private happens(oneIn: number): boolean {
    return this.choose(fc.nat, { max: oneIn - 1 }) === 0;
  }

  private name(prefix: string): string {
    this.names += 1;
    return `${prefix}${this.names}`;
  }

  private field(field: Field, depth: number): string {
    const type = getNamedType(field.type);
    const given = field.name === 'nodes' && field.args.length > 0 ? this.idList() : this.argumentsOf(field);
    // Fields with arguments have a name of their own, since fields of the same name must have the same arguments.
    const alias = given !== '' || this.happens(8) ? `${this.name('a')}: ` : '';
    const inner = isObjectType(type) || isInterfaceType(type) ? ` { ${this.selections(type, depth)} }` : '';
    return `${alias}${field.name}${given}${this.directive()}${inner}`;
  }

  private directive(): string {
    if (!this.happens(10)) return '';
    const name = this.among(['skip', 'include']);
    const isFixed = this.happens(2);
    const value = this.happens(2);
    return ` @${name}(if: ${isFixed ? value : this.variable('Boolean!', value)})`;
  }

  private selections(type: Composite, depth: number): string {
    const parts = Array.from({ length: this.among([1, 2, 3, 4]) }, () => this.selection(type, depth));
    return parts.join(' ');
  }

  private selection(type: Composite, depth: number): string {
    if (this.happens(12)) return this.happens(2) ? '__typename' : `${this.name('t')}: __typename`;
    if (isInterfaceType(type) || this.happens(6)) return this.fragment(type, depth);
    const fields = Object.values(type.getFields()).filter((field) => this.isUsable(field, depth));
    return this.field(this.among(fields), this.isEdge(type) ? depth : depth - 1);
  }

  /** Objects end at a depth; `queuePosition` has no source and is chosen rarely. */
  private isUsable({ name, type }: Field, depth: number): boolean {
    if (name === 'queuePosition') return this.happens(20);
    return depth > 0 || isLeafType(getNamedType(type)) || leafObjects.includes(name);
  }

  private isEdge({ name }: Composite): boolean {
    return /(Connection|Edge|PageInfo|Payload)$/.test(name);
  }

  private fragment(type: Composite, depth: number): string {
    const on = isInterfaceType(type) ? this.among([type.name, ...kinds]) : type.name;
    const condition = this.schema.getType(on) as Composite;
    const inner = isInterfaceType(condition)
      ? `id ${this.happens(2) ? '__typename' : ''}`
      : this.selections(condition, depth);
    if (this.happens(2))
      return `...${isInterfaceType(type) ? ` on ${on}` : ''}${this.directive()} { ${inner} }`;
    const name = this.name('F');
    this.fragments.push(`fragment ${name} on ${on} { ${inner} }`);
    return `...${name}${this.directive()}`;
  }

  private argumentsOf({ args, name, type }: Field): string {
    const isConnection = getNamedType(type).name.endsWith('Connection');
    const given = isConnection
      ? this.pageOf(
          args.map(({ name }) => name),
          getNamedType(type).name,
        )
      : {};
    const ids = this.happens(4) ? this.values.ids : this.idsOf(name);
    const others = args.filter(({ name }) => (isConnection ? objectArguments : ownArguments).includes(name));
    for (const argument of others) {
      const isRequired = isNonNullType(argument.type) && argument.defaultValue === undefined;
      if (!isRequired && this.happens(2)) continue;
      given[argument.name] = this.given(argument.name, String(argument.type), ids);
    }
    const texts = Object.entries(given).map(([name, text]) => `${name}: ${text}`);
    return texts.length > 0 ? `(${texts.join(', ')})` : '';
  }

  private idList(): string {
    const ids = Array.from({ length: this.among([0, 1, 3, 5]) }, () => this.among(this.values.ids));
    if (this.happens(2)) return `(ids: ${this.variable('[ID!]!', ids)})`;
    const texts = ids.map((id) => (this.happens(2) ? JSON.stringify(id) : this.variable('ID!', id)));
    return `(ids: [${texts.join(', ')}])`;
  }

  /** The ids of the objects that a field returns. */
  private idsOf(name: string): readonly string[] {
    const ids = this.values.ids.filter((id) => id.startsWith(`${name}_`));
    return ids.length > 0 ? ids : this.values.ids;
  }

  private given(name: string, type: string, ids: readonly string[]): string {
    if (name === 'size')
      return this.happens(2) ? this.among(['PREVIEW', 'PX_512']) : this.variable(type, 'ORIGINAL');
    if (name === 'format') return this.happens(2) ? 'AVIF' : this.variable(type, this.among(['WEBP', null]));
    if (name === 'first') {
      const count = this.among([1, 1, 2, 2, 100, 0]);
      return this.happens(2) ? String(count) : this.variable(type, this.among([count, null]));
    }
    const id = this.among(ids);
    return this.happens(2) ? JSON.stringify(id) : this.variable(type, id);
  }

  private pageOf(names: readonly string[], connection: string): Record<string, string> {
    const kind = connection.replace(/Connection$/, '');
    const given = this.rangeOf();
    if (names.includes('orderBy') && this.happens(2)) given.orderBy = this.among(ordersOf(kind));
    if (names.includes('filter') && this.happens(3))
      given.filter = this.variable(`${kind}Filter`, this.filterOf(kind));
    return given;
  }

  private rangeOf(): Record<string, string> {
    const [size, cursor] = this.happens(3) ? (['last', 'before'] as const) : (['first', 'after'] as const);
    const count = this.among([1, 1, 2, 3, 5, 100, 0]);
    const given: Record<string, string> = {};
    if (!this.happens(4)) given[size] = this.happens(2) ? String(count) : this.variable('Int', count);
    if (this.happens(4)) given[cursor] = this.variable('String', this.among(this.values.cursors));
    return given;
  }

  private filterOf(kind: string): Record<string, unknown> | null {
    const created = { from: '2026-01-01T00:00:00Z', before: this.among([null, '2026-01-03T00:00:00Z']) };
    const filters: Record<string, readonly Record<string, unknown>[]> = {
      AvatarModel: [{ statuses: ['READY', 'FAILED'] }, { types: ['DOG'] }, { types: [] }],
      Generation: [
        { statuses: ['COMPLETED'] },
        { modelId: this.among(this.values.ids) },
        { styles: ['noir'] },
      ],
      Avatar: [
        { styles: ['noir', 'pop'] },
        { generationId: this.among(this.values.ids) },
        { favorite: this.happens(2), styles: this.among([null, ['pop']]) },
      ],
      Photo: [{ statuses: ['READY'] }, { isUnused: true }, { isUnused: false }],
    };
    return this.among([null, {}, { created }, ...filters[kind]!]);
  }

  private variable(type: string, value: unknown): string {
    const name = this.name('v');
    this.definitions.push(`$${name}: ${type}`);
    this.variables[name] = value;
    return `$${name}`;
  }
}

function ordersOf(kind: string): string[] {
  const own: Record<string, string[]> = { AvatarModel: ['NAME'], Avatar: ['FAVORITES'] };
  return ['NEWEST', 'OLDEST', ...(own[kind] ?? [])];
}
