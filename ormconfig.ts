import 'reflect-metadata';
import { createDataSource } from './src/database/data-source';
import { entities } from './src/entities';

/** The data source for TypeORM's command line; `DATABASE_URL` says which database. */
export default createDataSource({
  url: process.env.DATABASE_URL ?? 'postgres://localhost:5432/likeness',
  poolSize: 1,
  entities,
});
