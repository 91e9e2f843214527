import { isScalarType, Kind, type DocumentNode, type GraphQLSchema, type TypeNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import { deprecatedUses } from './deprecated-uses';

type Variables = Readonly<Record<string, unknown>>;

/** A document that passed validation. */
interface ValidDocument {
  readonly document: DocumentNode;
  /** The sizes in variables for which it passed the limits. */
  readonly sizes: Set<string>;
  /** Null if they depend on the variables. */
  readonly deprecatedUses: ReadonlySet<string> | null;
}

/** Maximum memory in bytes, and number of combinations of sizes of a document. */
const limits = { bytes: 10_000_000, sizes: 50 } as const;

/** The documents that passed parsing, validation and the limits, by their text. The least recently used are evicted. */
export class ValidDocuments {
  private readonly known = new LRUCache<string, ValidDocument>({
    maxSize: limits.bytes,
    // Syntax trees take about twenty times the memory of their text.
    sizeCalculation: (_document, text) => 20 * text.length + 1_000,
  });

  constructor(private readonly schema: GraphQLSchema) {}

  /** The document, if it passed the limits with variables of the same sizes. */
  find(text: string, variables: Variables): DocumentNode | null {
    const known = this.known.get(text);
    return known?.sizes.has(sizesIn(variables)) ? known.document : null;
  }

  /** Adds a valid document, or more sizes of a known one. */
  add(text: string, document: DocumentNode, variables: Variables): void {
    const known = this.known.get(text) ?? {
      document,
      sizes: new Set<string>(),
      deprecatedUses: this.hasScalarsOnly(document) ? deprecatedUses(this.schema, document, {}) : null,
    };
    if (known.sizes.size >= limits.sizes) known.sizes.clear();
    known.sizes.add(sizesIn(variables));
    this.known.set(text, known);
  }

  /** The deprecated elements of the schema that a document and its variables use. */
  deprecatedUses(text: string, document: DocumentNode, variables: Variables): ReadonlySet<string> {
    return this.known.get(text)?.deprecatedUses ?? deprecatedUses(this.schema, document, variables);
  }

  /** Whether no variable can contain deprecated fields or values. */
  private hasScalarsOnly({ definitions }: DocumentNode): boolean {
    const types = definitions.flatMap((definition) =>
      definition.kind === Kind.OPERATION_DEFINITION
        ? (definition.variableDefinitions ?? []).map(({ type }) => nameOf(type))
        : [],
    );
    return types.every((name) => isScalarType(this.schema.getType(name)));
  }
}

function nameOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : nameOf(type.type);
}

/** What the limits read of variables: numbers, and the lengths of lists. */
function sizesIn(variables: Variables): string {
  const sizes = Object.entries(variables).flatMap(([name, value]) => {
    if (typeof value === 'number') return `${name}=${value}`;
    return Array.isArray(value) ? `${name}[${value.length}` : [];
  });
  return sizes.join();
}
