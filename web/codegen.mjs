// Writes src/graphql/operations.ts, the types and documents of the operations in src/graphql, with GraphQL Code Generator.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { codegen } from '@graphql-codegen/core';
import * as typedDocuments from '@graphql-codegen/typed-document-node';
import * as operations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

const at = (path) => new URL(path, import.meta.url);
const read = (path) => readFileSync(at(path), 'utf8');
const names = readdirSync(at('src/graphql')).filter((name) => name.endsWith('.graphql'));

const generated = await codegen({
  filename: 'operations.ts',
  schema: parse(read('../schema/schema.graphql')),
  documents: names.map((name) => ({ location: name, document: parse(read(`src/graphql/${name}`)) })),
  config: {
    scalars: { DateTime: 'string', Decimal: 'string', ID: 'string', URL: 'string' },
    strictScalars: true,
    enumsAsTypes: true,
    useTypeImports: true,
    documentMode: 'graphQLTag',
    gqlImport: '@urql/core#gql',
  },
  plugins: [{ operations: {} }, { typedDocuments: {} }],
  pluginMap: { operations, typedDocuments },
});
writeFileSync(
  at('src/graphql/operations.ts'),
  `// Written by \`npm run codegen\` from schema/schema.graphql and the documents beside this file.
${generated}`,
);
