import { Revocations } from '../../src/auth/revocations';
import { createLogger } from '../../src/core/logger';
import type { Sql } from '../../src/core/sql';

describe('Revocations', () => {
  it('finds revoked keys and client tokens in the database if the notification was lost', async () => {
    const rows = (text: string): Promise<object[]> =>
      Promise.resolve([{ id: text.includes('client_tokens') ? 'token' : 'key' }]);
    const wakeups = { onTopic: () => () => undefined };
    const sql = { rows } as unknown as Sql;
    const revocations = new Revocations(sql, wakeups, createLogger('silent'), 1);
    const revoked = new Set<string>();
    const both = new Promise<void>((resolve) => {
      revocations.onRevoked((id) => {
        if (revoked.add(id).size === 2) resolve();
      });
    });
    revocations.start();
    await both;
    expect([...revoked].sort()).toEqual(['key', 'token']);
    expect(['key', 'token', 'other'].map((id) => revocations.has(id))).toEqual([true, true, false]);
    revocations.stop();
  });
});
