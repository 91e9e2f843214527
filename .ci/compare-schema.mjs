#!/usr/bin/env node
// Migrates the empty database of DATABASE_URL, loads schema/database.sql into another one, and fails if they differ.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import pg from 'pg';

const { migrate } = createRequire(import.meta.url)('../dist/database/migrate.js');
const url = process.env.DATABASE_URL;

const rowsAt = async (connectionString, text) => {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};

const catalog = `
  WITH tables AS (SELECT oid, relname AS name, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  SELECT format('column %s.%s %s %s %s', t.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                pg_get_expr(d.adbin, d.adrelid)) AS line
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
   WHERE t.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT pg_get_indexdef(oid) FROM tables WHERE relkind = 'i'
  UNION ALL SELECT format('view %s %s', name, pg_get_viewdef(oid)) FROM tables WHERE relkind = 'v'
  UNION ALL SELECT format('%s %s %s', t.name, c.conname, pg_get_constraintdef(c.oid))
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype <> 'n'
  UNION ALL SELECT pg_get_triggerdef(r.oid) FROM tables t JOIN pg_trigger r ON r.tgrelid = t.oid WHERE NOT r.tgisinternal
  UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
   ORDER BY 1`;

const linesOf = async (database) => (await rowsAt(database, catalog)).map(({ line }) => line);

await migrate(url);
await rowsAt(url, 'CREATE DATABASE committed');
const committed = new URL(url);
committed.pathname = '/committed';
// The file has no settings: functions may name tables that follow.
await rowsAt(
  committed.href,
  `SET check_function_bodies = off; ${await readFile('schema/database.sql', 'utf8')}`,
);

const [migrated, loaded] = await Promise.all([linesOf(url), linesOf(committed.href)]);
const differences = [
  ...migrated.filter((line) => !loaded.includes(line)).map((line) => `only after migrations: ${line}`),
  ...loaded.filter((line) => !migrated.includes(line)).map((line) => `only in schema/database.sql: ${line}`),
];
if (differences.length > 0 || migrated.length < 500) {
  console.error(differences.join('\n') || `Only ${migrated.length} parts were found.`);
  process.exit(1);
}
console.log(`${migrated.length} parts of the schema are equal.`);
