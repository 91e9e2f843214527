import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as operationsPlugin from '@graphql-codegen/typescript-operations';
import { parse, type DocumentNode } from 'graphql';
import ts from 'typescript';
import { readExamples } from '../../src/http/graphiql/examples';
import { exampleOperations } from '../support/examples';

const schema = parse(readFileSync(join(__dirname, '../../schema/schema.graphql'), 'utf8'));
const scalars = { DateTime: 'string', Decimal: 'string', URL: 'string' };

/** TypeScript types of operations, as GraphQL Code Generator writes them for client applications. */
function generate(documents: DocumentNode[]): Promise<string> {
  return codegen({
    filename: 'operations.ts',
    schema,
    documents: documents.map((document, index) => ({ location: `example-${index}`, document })),
    config: { scalars, strictScalars: true, enumsAsTypes: true },
    plugins: [{ operations: {} }],
    pluginMap: { operations: operationsPlugin },
  });
}

/** The type errors of a program, with the strictest options. */
function typeErrors(source: string): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    exactOptionalPropertyTypes: true,
  };
  const host = ts.createCompilerHost(options);
  const readFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) =>
    name === 'program.ts'
      ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022)
      : readFile(name, ...rest);
  const program = ts.createProgram(['program.ts'], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('GraphQL Code Generator', () => {
  it('generates types that compile for every example', async () => {
    const generated = await generate((await readExamples()).map(({ query }) => parse(query)));
    expect(generated).toMatch(/TrainModelMutation =/);
    expect(generated).toMatch(/AvatarCompletedSubscription =/);
    expect(typeErrors(generated)).toEqual([]);
  }, 60_000);

  it('types the URL of an avatar as a string', async () => {
    const { query } = (await exampleOperations()).find(({ name }) => name === 'Avatar')!;
    const generated = await generate([parse(query)]);
    const use = (expression: string): string =>
      `${generated}\nexport const use = (data: AvatarQuery) => { const value: ${expression}; return value; };`;
    expect(typeErrors(use('string | undefined = data.avatar?.url'))).toEqual([]);
    expect(typeErrors(use('number | undefined = data.avatar?.url'))).not.toEqual([]);
  }, 60_000);
});
