import type { DataSource } from 'typeorm';
import type { EntityClass, Sql } from '../core/sql';

type Row = Readonly<Record<string, unknown>>;

/** The property of each column, by entity. */
const properties = new WeakMap<EntityClass<object>, ReadonlyMap<string, string>>();

/**
 * Implements {@link Sql.entities}: columns become properties by TypeORM's metadata. Columns that the entity does not have
 * keep their names: during an upgrade, the database may have columns of a newer version.
 */
export function entitiesBy(source: DataSource, rows: Sql['rows']): Sql['entities'] {
  const read = async (
    entity: EntityClass<object>,
    text: string,
    parameters?: readonly unknown[],
  ): Promise<object[]> => toEntities(propertiesOf(source, entity), await rows<Row>(text, parameters));
  // TypeScript does not infer the type of the other columns, which occurs only in the result.
  return read as Sql['entities'];
}

function toEntities(known: ReadonlyMap<string, string>, rows: readonly Row[]): object[] {
  const [first] = rows;
  if (!first) return [];
  const missing = [...known.keys()].find((column) => !(column in first));
  if (missing !== undefined) throw new Error(`The statement does not return the column ${missing}.`);
  const names = Object.keys(first).map((column) => [column, known.get(column) ?? column] as const);
  return rows.map((row) => {
    const mapped: Record<string, unknown> = {};
    for (const [column, property] of names) mapped[property] = row[column];
    return mapped;
  });
}

function propertiesOf(source: DataSource, entity: EntityClass<object>): ReadonlyMap<string, string> {
  let known = properties.get(entity);
  if (!known) {
    const { columns } = source.getMetadata(entity);
    known = new Map(columns.map(({ databaseName, propertyName }) => [databaseName, propertyName]));
    properties.set(entity, known);
  }
  return known;
}
