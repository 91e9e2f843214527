import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatDocument, stringifyDocument } from '@urql/core';
import ts from 'typescript';

const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };

/**
 * Writes the operations of the studio, and those of `likeness/client`, to `<folder>/persisted-queries.json`: a file for the
 * setting PERSISTED_QUERIES. Their texts are those that urql and the client module send.
 */
export async function writePersistedQueries(folder) {
  const own = await load('src/graphql/operations.ts', folder);
  const client = await load('../src/client/documents.ts', folder);
  const texts = [
    ...Object.entries(own)
      .filter(([name]) => name.endsWith('Document'))
      .map(([, document]) => stringifyDocument(formatDocument(document))),
    ...Object.values(client.documents).map(String),
  ];
  const list = Object.fromEntries(
    texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]),
  );
  writeFileSync(join(folder, 'persisted-queries.json'), `${JSON.stringify(list, null, 2)}\n`);
}

/** Imports a module of TypeScript that imports types and packages only. */
async function load(path, folder) {
  const source = readFileSync(new URL(path, import.meta.url), 'utf8');
  const file = join(folder, `.documents-${process.pid}.mjs`);
  writeFileSync(file, ts.transpileModule(source, { compilerOptions }).outputText);
  try {
    return await import(`${pathToFileURL(file).href}?${path}`);
  } finally {
    rmSync(file);
  }
}
