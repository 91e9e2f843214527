import { DefaultNamingStrategy } from 'typeorm';

/** Columns are snake_case in the database and camelCase here; keys are called `<table>_pkey`, as PostgreSQL does. */
export class SnakeNaming extends DefaultNamingStrategy {
  override columnName(propertyName: string, customName: string | undefined): string {
    return customName ?? propertyName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }

  override primaryKeyName(tableOrName: { name: string } | string): string {
    return `${typeof tableOrName === 'string' ? tableOrName : tableOrName.name}_pkey`;
  }
}
