import { Revocations } from '../../src/auth/revocations';
import { createLogger } from '../../src/core/logger';
import type { Sql } from '../../src/core/sql';
import { everyTopic } from '../../src/events/wake';
import { until } from '../support/until';

describe('Revocations', () => {
  it('finds revoked keys and client tokens in the database if the notification was lost', async () => {
    const rows = (): Promise<object[]> => Promise.resolve([{ id: 'token' }, { id: 'key' }]);
    const wakeups = { onTopic: () => () => undefined };
    const sql = { rows } as unknown as Sql;
    const revocations = new Revocations(sql, wakeups, createLogger('silent'), 1);
    const revoked = new Set<string>();
    const both = new Promise<void>((resolve) => {
      const endRevoked = (id: string): void => {
        if (revoked.add(id).size === 2) resolve();
      };
      revocations.add({ isRevocable: true, endRevoked });
    });
    revocations.start();
    await both;
    expect([...revoked].sort()).toEqual(['key', 'token']);
    expect(['key', 'token', 'other'].map((id) => revocations.has(id))).toEqual([true, true, false]);
    revocations.stop();
  });

  it('reads the database only while a connection is open that a revocation would end', async () => {
    let isOpen = false;
    let lookedAt = 0;
    const readWhileOpen: boolean[] = [];
    const rows = (): Promise<object[]> => (readWhileOpen.push(isOpen), Promise.resolve([]));
    let announce: (topic: string) => void = () => undefined;
    const wakeups = { onTopic: (listener: typeof announce) => ((announce = listener), () => undefined) };
    const revocations = new Revocations({ rows } as unknown as Sql, wakeups, createLogger('silent'), 1);
    revocations.add({
      get isRevocable() {
        lookedAt += 1;
        return isOpen;
      },
      endRevoked: () => undefined,
    });
    revocations.start();
    announce(everyTopic);
    await until(() => lookedAt > 3);
    isOpen = true;
    await until(() => readWhileOpen.length > 0);
    expect(readWhileOpen[0]).toBe(true);
    revocations.stop();
  });
});
