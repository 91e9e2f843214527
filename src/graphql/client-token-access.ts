import {
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isInterfaceType,
  Kind,
  type FieldNode,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type NamedTypeNode,
  type SelectionSetNode,
} from 'graphql';
import { forbidden, type DomainError } from '../core/errors';
import { newId, readGlobalId, toGlobalId } from '../core/ids';
import type { TokenRestriction, Viewer } from '../core/viewer';
import {
  fieldsOfModelTokens,
  fieldsOfRestrictedTokens,
  fieldsOfTokens,
  typesClosedToTokens,
} from './client-token-fields';

/** What client tokens need from their service. */
export interface ClientTokenRules {
  /**
   * Counts an operation of a viewer whose operations are limited.
   * @throws DomainError UNAUTHENTICATED if there are none left
   */
  countUse(viewer: Viewer): Promise<void>;
  /** Those of the global ids that a restriction includes: its object, and what was made from it. */
  findWithin(restriction: TokenRestriction, globalIds: readonly string[]): Promise<ReadonlySet<string>>;
}

/**
 * Refuses a root field that the viewer's client token does not permit, with all that is selected in it.
 * @throws DomainError FORBIDDEN
 */
export function checkTokenFields({ clientToken }: Viewer, info: GraphQLResolveInfo): void {
  if (!clientToken) return;
  const { restriction } = clientToken;
  if (!fieldsOfTokens.has(info.fieldName)) throw closed(`\`${info.fieldName}\``);
  const fields = new FieldsOfToken(restriction, info);
  if (restriction) fields.check(info.parentType.name, info.fieldName);
  for (const { selectionSet } of info.fieldNodes) fields.checkSelection(info.returnType, selectionSet);
}

/** Checks selections against the fields of tokens, and of those for one model or generation. */
class FieldsOfToken {
  private readonly checkedFragments = new Set<string>();

  constructor(
    private readonly restriction: TokenRestriction | null,
    private readonly info: Pick<GraphQLResolveInfo, 'schema' | 'fragments'>,
  ) {}

  check(type: string, field: string): void {
    if (typesClosedToTokens.has(type) && field !== 'id' && field !== '__typename')
      throw closed(`\`${type}.${field}\``);
    if (this.restriction) this.checkRestricted(type, field, this.restriction);
  }

  private checkRestricted(type: string, field: string, { kind }: TokenRestriction): void {
    const isOpen =
      Object.hasOwn(fieldsOfRestrictedTokens, type) && fieldsOfRestrictedTokens[type]!.includes(field);
    const isOfModel = kind === 'AvatarModel' && fieldsOfModelTokens.includes(`${type}.${field}`);
    if (isOpen || isOfModel || field === '__typename') return;
    const what = kind === 'AvatarModel' ? 'model' : 'generation';
    throw closed(`\`${type}.${field}\``, ` It is only for one ${what}.`, insteadOf(`${type}.${field}`, kind));
  }

  /** @param returned - the type of the field with the selection */
  checkSelection(returned: GraphQLOutputType, selection: SelectionSetNode | undefined): void {
    const type = getNamedType(returned);
    for (const node of selection?.selections ?? []) {
      if (node.kind === Kind.FIELD) this.checkMember(type, node);
      else if (node.kind === Kind.FRAGMENT_SPREAD) this.checkFragment(node.name.value);
      else this.checkSelection(this.typeNamed(node.typeCondition) ?? type, node.selectionSet);
    }
  }

  private checkMember(type: GraphQLNamedType, { name, selectionSet }: FieldNode): void {
    this.check(type.name, name.value);
    const member = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
    if (member) this.checkSelection(member.type, selectionSet);
  }

  private checkFragment(name: string): void {
    const fragment = this.info.fragments[name];
    if (!fragment || this.checkedFragments.has(name)) return;
    this.checkedFragments.add(name);
    this.checkSelection(this.typeNamed(fragment.typeCondition)!, fragment.selectionSet);
  }

  private typeNamed(node: NamedTypeNode | undefined): GraphQLOutputType | undefined {
    return node && (this.info.schema.getType(node.name.value) as GraphQLOutputType | undefined);
  }
}

/** The subscriptions that a token for one object may use in place of a field. */
function insteadOf(path: string, kind: TokenRestriction['kind']): string[] {
  if (path !== 'Subscription.activity') return [];
  const ofModel = kind === 'AvatarModel' ? ['trainingProgress'] : [];
  return [...ofModel, 'generationProgress', 'avatarCompleted'];
}

/** @param instead - subscriptions that the token may use in place of it */
function closed(what: string, why = '', instead: readonly string[] = []): DomainError {
  const names = instead.map((name) => `\`${name}\``).join(', ');
  const cure = names ? `Subscribe to ${names} instead, or let` : 'Let';
  return forbidden(
    `This client token may not use ${what}.${why} ${cure} your backend do it with its API key.`,
  );
}

/** Maximum number of different ids that are looked up; the root fields refuse as many. */
const maxIds = 200;

/**
 * The arguments of a root field, with unknown ids in place of those that a restriction does not include: they are
 * answered as ids that do not exist.
 */
export async function hideOtherIds(
  rules: ClientTokenRules,
  restriction: TokenRestriction,
  field: GraphQLField<unknown, unknown>,
  args: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const given = new Set<string>();
  mapIds(field, args, (id) => (given.add(id), id));
  if (given.size === 0) return { ...args };
  const within = await rules.findWithin(restriction, [...given].slice(0, maxIds));
  return mapIds(field, args, (id) => (within.has(id) ? id : unknownLike(id)));
}

/** An id that no object has, of the same type. */
function unknownLike(globalId: string): string {
  const read = readGlobalId(globalId);
  return read ? toGlobalId(read.kind, newId()) : globalId;
}

/** The arguments, with each value of the type ID replaced. */
function mapIds(
  { args: definitions }: Pick<GraphQLField<unknown, unknown>, 'args'>,
  args: Readonly<Record<string, unknown>>,
  replace: (id: string) => string,
): Record<string, unknown> {
  const mapped = { ...args };
  for (const { name, type } of definitions) {
    if (Object.hasOwn(args, name)) mapped[name] = mapValue(type, args[name], replace);
  }
  return mapped;
}

function mapValue(type: GraphQLInputType, value: unknown, replace: (id: string) => string): unknown {
  if (value === null || value === undefined) return value;
  if (isNonNullType(type)) return mapValue(type.ofType, value, replace);
  if (isListType(type)) return (value as unknown[]).map((item) => mapValue(type.ofType, item, replace));
  if (isInputObjectType(type)) {
    const fields = type.getFields();
    const entries = Object.entries(value).map(([name, part]): [string, unknown] => [
      name,
      fields[name] ? mapValue(fields[name].type, part, replace) : part,
    ]);
    return Object.fromEntries(entries);
  }
  return type.name === 'ID' ? replace(value as string) : value;
}
