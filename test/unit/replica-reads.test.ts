import { pause } from '../../src/core/clock';
import type { Sql } from '../../src/core/sql';
import { engines } from '../../src/database/engine';
import { ReplicaReads } from '../../src/database/replica-reads';
import { until } from '../support/until';

/** A server that answers with its name, or fails, as `answers` says for each statement. */
const serverOf = (
  name: string,
  answers: () => Promise<void>,
  isReplica = true,
  hasReplayed: (position: unknown) => boolean = () => true,
): Sql => {
  const rows = async <Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]> => {
    if (text.includes('pg_current_wal_lsn')) return [{ position: '0/1' }] as Row[];
    if (text.includes('pg_last_wal_replay_lsn'))
      return [{ isReplica, hasReplayed: hasReplayed(parameters?.[0]) }] as Row[];
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

  it('is made on the primary if the other server accepts writes too, as after a failover', async () => {
    const reads = new ReplicaReads({
      primary: serverOf('primary', works),
      connect: () => Promise.resolve(serverOf('former replica', works, false)),
      outages: { failed: () => undefined, succeeded: () => undefined },
    });
    expect(await (await reads.begin()).rows('SELECT 1')).toEqual([{ name: 'primary' }]);
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

  it('waits for what the primary has committed, and is made on the primary while the replica is late', async () => {
    let isCurrent: (asked: number) => boolean = (asked) => asked === 3;
    let asked = 0;
    const outages: string[] = [];
    const hasReplayed = (position: unknown): boolean => {
      asked += 1;
      return position === '0/1' && isCurrent(asked);
    };
    const reads = new ReplicaReads({
      primary: serverOf('primary', works),
      connect: () => Promise.resolve(serverOf('replica', works, true, hasReplayed)),
      outages: { failed: () => outages.push('begin'), succeeded: () => outages.push('end') },
    });
    const answer = async (): Promise<unknown> => (await reads.begin()).rows('SELECT 1');
    expect(await answer()).toEqual([{ name: 'replica' }]);
    expect(asked).toBe(3);
    isCurrent = () => false;
    expect(await answer()).toEqual([{ name: 'primary' }]);
    expect(reads.usesReplica).toBe(false);
    await until(async () => {
      const before = asked;
      await pause(50);
      return asked === before;
    });
    isCurrent = () => true;
    const now = performance.now.bind(performance);
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 5_000);
    expect(await answer()).toEqual([{ name: 'replica' }]);
    clock.mockRestore();
    expect(reads.usesReplica).toBe(true);
    expect(outages).toEqual(['end', 'begin', 'end']);
  });

  it('connects again once the replica can be reached', async () => {
    let canConnect = false;
    const reads = new ReplicaReads({
      primary: serverOf('primary', works),
      connect: () =>
        canConnect ? Promise.resolve(serverOf('replica', works)) : Promise.reject(new Error('refused')),
      outages: { failed: () => undefined, succeeded: () => undefined },
    });
    expect(await (await reads.begin()).rows('SELECT 1')).toEqual([{ name: 'primary' }]);
    canConnect = true;
    const now = performance.now.bind(performance);
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 5_000);
    expect(await (await reads.begin()).rows('SELECT 1')).toEqual([{ name: 'replica' }]);
    clock.mockRestore();
  });

  it('is left to the primary that does not answer, without a failure of the replica', async () => {
    const failures: Error[] = [];
    const primary = serverOf('primary', works);
    const reads = new ReplicaReads({
      primary: { ...primary, rows: () => Promise.reject(new Error('starting up')) },
      connect: () => Promise.resolve(serverOf('replica', works)),
      outages: { failed: (error) => failures.push(error), succeeded: () => undefined },
    });
    await expect((await reads.begin()).rows('SELECT 1')).rejects.toThrow('starting up');
    expect(failures).toEqual([]);
  });
});
