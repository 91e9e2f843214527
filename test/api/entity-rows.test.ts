import type { DataSource } from 'typeorm';
import { newId } from '../../src/core/ids';
import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { entities } from '../../src/entities';
import { ModelEntity } from '../../src/models/model.entity';
import { TestDatabase } from '../support/database';

describe('rows of entities', () => {
  let testDatabase: TestDatabase;
  let source: DataSource;
  let database: Database;
  const id = newId();

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    source = await createDataSource({ url: testDatabase.url, poolSize: 2, entities }).initialize();
    database = new Database(source);
    await database.rows(
      `INSERT INTO models (id, owner, provider, name, type, photo_count, due_at)
       VALUES ($1, 'ann', 'picsart', 'Ann', 'WOMAN', 12, now())`,
      [id],
    );
  });

  afterAll(async () => {
    await source.destroy();
    await testDatabase.drop();
  });

  it('equal the entities that TypeORM reads', async () => {
    const rows = await database.entities(ModelEntity, 'SELECT * FROM models');
    const found = await source.manager.find(ModelEntity);
    expect(rows).toEqual(found.map((row) => ({ ...row })));
    expect(rows).toMatchObject([{ id, photoCount: 12, providerRef: null }]);
  });

  it('keep the names of other columns, inside and outside of transactions', async () => {
    const text = `SELECT *, 1 AS "isOther", 2 AS new_column FROM models`;
    const expected = [{ id, isOther: 1, new_column: 2 }];
    expect(await database.entities(ModelEntity, text)).toMatchObject(expected);
    expect(await database.transaction((sql) => sql.entities(ModelEntity, text))).toMatchObject(expected);
  });

  it('of statements that write are the changed ones', async () => {
    const text = 'UPDATE models SET name = $2 WHERE id = $1 RETURNING *';
    expect(await database.entities(ModelEntity, text, [id, 'Anna'])).toMatchObject([{ name: 'Anna' }]);
    expect(await database.entities(ModelEntity, text, [newId(), 'Anna'])).toEqual([]);
  });

  it('are refused if a column of the entity is missing', async () => {
    await expect(database.entities(ModelEntity, 'SELECT id, owner FROM models')).rejects.toThrow(
      'does not return the column due_at',
    );
  });
});
