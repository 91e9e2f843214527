import { Revocations } from '../../src/auth/revocations';
import { createLogger } from '../../src/core/logger';
import type { Sql } from '../../src/core/sql';

describe('Revocations', () => {
  it('finds revoked keys in the database if the notification was lost', async () => {
    const sql = { rows: () => Promise.resolve([{ id: 'key' }]) } as unknown as Sql;
    const wakeups = { onTopic: () => () => undefined };
    const revocations = new Revocations(sql, wakeups, createLogger('silent'), 1);
    const revoked = new Promise<string>((resolve) => void revocations.onRevoked(resolve));
    revocations.start();
    expect(await revoked).toBe('key');
    expect(revocations.has('key')).toBe(true);
    revocations.stop();
  });
});
