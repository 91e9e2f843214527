import type { Sql } from '../../src/core/sql';
import { engines } from '../../src/database/engine';
import { ReplicaReads } from '../../src/database/replica-reads';

/** A server that answers with its name, or fails, as `answers` says for each statement. */
const serverOf = (name: string, answers: () => Promise<void>): Sql => {
  const rows = async <Row>(text: string): Promise<Row[]> => {
    if (text.includes('pg_current_wal_lsn')) return [{ position: '0/1' }] as Row[];
    if (text.includes('pg_last_wal_replay_lsn')) return [{ isReplica: true, hasReplayed: true }] as Row[];
    await answers();
    return [{ name }] as Row[];
  };
  return { engine: engines.postgresql, rows, entities: (_, text) => rows(text) };
};

const works = (): Promise<void> => Promise.resolve();
const fails = (): Promise<void> => Promise.reject(new Error('conflict with recovery'));
const hangs = (): Promise<void> => new Promise(() => undefined);

describe('a costly read on a replica', () => {
  it.each([
    ['fails', fails],
    ['does not answer', hangs],
  ])('continues on the primary when a statement %s, and stays there', async (_, breaks) => {
    let answers = works;
    const failures: Error[] = [];
    const reads = new ReplicaReads({
      primary: serverOf('primary', works),
      connect: () => Promise.resolve(serverOf('replica', () => answers())),
      outages: { failed: (error) => failures.push(error), succeeded: () => undefined },
    });
    const read = await reads.begin();
    expect(await read.rows('SELECT 1')).toEqual([{ name: 'replica' }]);
    answers = breaks;
    expect(await read.entities(Object, 'SELECT 2')).toEqual([{ name: 'primary' }]);
    answers = works;
    expect(await read.rows('SELECT 3')).toEqual([{ name: 'primary' }]);
    expect(failures).toHaveLength(1);
    expect(reads.usesReplica).toBe(false);
    // It is not tried again for some seconds.
    expect(await (await reads.begin()).rows('SELECT 4')).toEqual([{ name: 'primary' }]);
  });

  it('is made on the primary while the replica cannot be connected to, without waiting for it again and again', async () => {
    let tries = 0;
    const reads = new ReplicaReads({
      primary: serverOf('primary', works),
      connect: () => {
        tries += 1;
        return Promise.reject(new Error('refused'));
      },
      outages: { failed: () => undefined, succeeded: () => undefined },
    });
    for (let count = 0; count < 3; count += 1)
      expect(await (await reads.begin()).rows('SELECT 1')).toEqual([{ name: 'primary' }]);
    expect(tries).toBe(1);
  });
});
