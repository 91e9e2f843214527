import { DefaultNamingStrategy } from 'typeorm';
import { snakeName } from '../core/sql';

/**
 * Columns are snake_case in the database and camelCase here; primary keys are named `<table>_pkey`, as by
 * PostgreSQL.
 */
export class SnakeNaming extends DefaultNamingStrategy {
  override columnName(propertyName: string, customName: string | undefined): string {
    return customName ?? snakeName(propertyName);
  }

  override primaryKeyName(tableOrName: { name: string } | string): string {
    return `${typeof tableOrName === 'string' ? tableOrName : tableOrName.name}_pkey`;
  }
}
