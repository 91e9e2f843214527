import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as operationsPlugin from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';
import ts from 'typescript';
import { documents } from '../../src/client/documents.ts';

const program = join(__dirname, 'program.ts');

/** Types of the client's documents, as GraphQL Code Generator makes them from the schema. */
function generated(): Promise<string> {
  return codegen({
    filename: 'operations.ts',
    schema: parse(readFileSync(join(__dirname, '../../schema/schema.graphql'), 'utf8')),
    documents: Object.entries(documents).map(([location, document]) => ({
      location,
      document: parse(document.toString()),
    })),
    config: { scalars: { DateTime: 'string', Decimal: 'string', URL: 'string' }, enumsAsTypes: true },
    plugins: [{ operations: {} }],
    pluginMap: { operations: operationsPlugin },
  });
}

function typeErrors(source: string): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    types: ['node'],
  };
  const host = ts.createCompilerHost(options);
  const readFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) =>
    name === program ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022) : readFile(name, ...rest);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([program], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

const imports = `
  import type { documents, TypedDocument } from '../../src/client/documents.ts';
  type Data<Document> = Document extends TypedDocument<infer Value, never> ? Value : never;
  /** A root field is null only with an error, which the client throws. */
  type Answered<Value> = { [Key in keyof Value]: NonNullable<Value[Key]> };
  type Variables<Document> = Document extends { __apiType?: (variables: infer Value) => unknown } ? Value : never;
`;

/** Answers must fit the client's types, and the client's variables those of the schema. */
const comparisons = Object.entries(documents).map(([key, document]) => {
  const [, type, name] = /^(\w)\w* (\w+)/.exec(document.toString())!;
  const operation = { q: 'Query', m: 'Mutation', s: 'Subscription' }[type!];
  return `
    export const answer_${key} = (value: Answered<${name}${operation}>): Data<typeof documents.${key}> => value;
    export const variables_${key} = (value: Variables<typeof documents.${key}>): ${name}${operation}Variables => value;
  `;
});

describe('the types of likeness/client', () => {
  it('agree with those that are generated from the schema', async () => {
    expect(comparisons).toHaveLength(12);
    expect(typeErrors([imports, await generated(), ...comparisons].join('\n'))).toEqual([]);
  }, 60_000);

  it('are compared in both directions', async () => {
    const changed = (await generated())
      .replace(/type LikenessTrainMutation = .*/, (line) =>
        line.replace('name: string', 'name: string | null'),
      )
      .replace(/type LikenessAvatarsQueryVariables = [^;]*first\?: /, '$&string & ');
    const errors = typeErrors([imports, changed, ...comparisons].join('\n'));
    expect(errors.join('\n')).toMatch(/null/);
    expect(errors.length).toBeGreaterThanOrEqual(2);
  }, 60_000);
});
