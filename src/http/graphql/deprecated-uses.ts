import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  Kind,
  TypeInfo,
  typeFromAST,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLSchema,
} from 'graphql';
import { isRecord } from './graphql-request';

/**
 * The deprecated elements of the schema that a valid document uses, each once: `Type.field`, `Type.field(argument)`,
 * `Input.field` and `Enum.VALUE`. All of them are names of the schema, so their number is bounded.
 */
export function usesInDocument(schema: GraphQLSchema, document: DocumentNode): Set<string> {
  const uses = new Set<string>();
  const note = noteIn(uses);
  const info = new TypeInfo(schema);
  const fieldPath = (): string => `${info.getParentType()!.name}.${info.getFieldDef()!.name}`;
  visit(
    document,
    visitWithTypeInfo(info, {
      Field: () => note(info.getFieldDef(), fieldPath),
      Argument: ({ name }) => note(info.getArgument(), () => `${fieldPath()}(${name.value})`),
      ObjectField: ({ name }) => {
        const input = getNamedType(info.getParentInputType());
        if (isInputObjectType(input))
          note(input.getFields()[name.value], () => `${input.name}.${name.value}`);
      },
      EnumValue: ({ value }) =>
        note(info.getEnumValue(), () => `${getNamedType(info.getInputType())!.name}.${value}`),
    }),
  );
  return uses;
}

/** The deprecated elements in the variables of a valid document, as {@link usesInDocument}. */
export function usesInVariables(
  schema: GraphQLSchema,
  { definitions }: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
): Set<string> {
  const uses = new Set<string>();
  const note = noteIn(uses);
  for (const definition of definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    for (const { type: node, variable } of definition.variableDefinitions ?? []) {
      const type = typeFromAST(schema, node);
      if (isInputType(type)) noteInput(type, variables[variable.name.value], note);
    }
  }
  return uses;
}

type Note = (element: { deprecationReason?: string | null } | null | undefined, path: () => string) => void;

function noteIn(uses: Set<string>): Note {
  return (element, path) => {
    if (element?.deprecationReason != null) uses.add(path());
  };
}

/** Notes the deprecated fields and values of a variable, which has not been checked yet. */
function noteInput(type: GraphQLInputType, value: unknown, note: Note): void {
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    // A single value stands for a list of one.
    for (const item of [value].flat()) noteInput(nullable.ofType, item, note);
  } else if (isInputObjectType(nullable) && isRecord(value)) {
    noteFields(nullable, value, note);
  } else if (isEnumType(nullable) && typeof value === 'string') {
    note(nullable.getValue(value), () => `${nullable.name}.${value}`);
  }
}

function noteFields(
  type: GraphQLInputObjectType,
  value: Readonly<Record<string, unknown>>,
  note: Note,
): void {
  for (const [name, part] of Object.entries(value)) {
    const field = type.getFields()[name];
    if (!field) continue;
    note(field, () => `${type.name}.${name}`);
    noteInput(field.type, part, note);
  }
}
