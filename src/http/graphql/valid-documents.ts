import type { DocumentNode, GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import { treeBytes } from '../../graphql/document-parts';
import { usesInDocument, usesInVariables } from './deprecated-uses';

type Variables = Readonly<Record<string, unknown>>;

/** A document that passed validation. */
interface ValidDocument {
  readonly document: DocumentNode;
  /** The sizes in variables for which it passed the limits. */
  readonly sizes: Set<string>;
  /** Without those in variables. */
  readonly deprecatedUses: ReadonlySet<string>;
}

/** Maximum memory in bytes, and number of combinations of sizes of a document. */
const limits = { bytes: 10_000_000, sizes: 50 } as const;

/** The documents that passed parsing, validation and the limits, by their text. The least recently used are evicted. */
export class ValidDocuments {
  private readonly known = new LRUCache<string, ValidDocument>({
    maxSize: limits.bytes,
    sizeCalculation: ({ document }, text) => treeBytes(document) + 2 * text.length + 1_000,
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
      deprecatedUses: usesInDocument(this.schema, document),
    };
    if (known.sizes.size >= limits.sizes) known.sizes.clear();
    known.sizes.add(sizesIn(variables));
    this.known.set(text, known);
  }

  /** The deprecated elements of the schema that a document and its variables use. */
  deprecatedUses(text: string, document: DocumentNode, variables: Variables): ReadonlySet<string> {
    const inDocument = this.known.get(text)?.deprecatedUses ?? usesInDocument(this.schema, document);
    const inVariables = usesInVariables(this.schema, document, variables);
    return inVariables.size === 0 ? inDocument : new Set([...inDocument, ...inVariables]);
  }
}

/** What the limits read of variables: numbers, and the lengths of lists. */
function sizesIn(variables: Variables): string {
  const sizes = Object.entries(variables).flatMap(([name, value]) => {
    if (typeof value === 'number') return `${name}=${value}`;
    return Array.isArray(value) ? `${name}[${value.length}` : [];
  });
  return sizes.join();
}
