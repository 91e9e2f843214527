import { Client } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

describe('likeness upstream', () => {
  let gateway: TestGateway;
  let client: Client;

  beforeAll(async () => {
    gateway = await TestGateway.start({ ACCOUNT_PROBE_INTERVAL: '100ms' });
    client = new Client(() => gateway.url);
  });
  afterAll(() => gateway.stop());

  const operate = (...words: string[]): Promise<CommandResult> =>
    likeness({ DATABASE_URL: gateway.database.url, DATA_DIR: gateway.dataDir }, ...words);
  interface Account {
    submissionsPausedAt: string | null;
    submissionsPauseReason: string | null;
  }
  const account = async (): Promise<Account | undefined> => {
    const { out } = await operate('status', '--json');
    return (JSON.parse(out) as { accounts: Account[] }).accounts[0];
  };
  const query = '{ operator { accounts { submissionsPausedAt submissionsPauseReason nextCheckAt } } }';

  it('pauses and resumes paid calls of running gateways, and reports why jobs wait', async () => {
    await until(async () => (await account()) !== undefined);
    expect((await operate('upstream', 'pause')).out).toMatch(/^Submissions of account \w+ are paused\.$/);
    const { id } = await client.train({ photoIds: await client.upload() });
    expect(await account()).toMatchObject({
      submissionsPausedAt: expect.any(String),
      submissionsPauseReason: 'OPERATOR',
    });
    expect(await client.request(query)).toEqual({
      operator: {
        accounts: [
          {
            submissionsPausedAt: expect.any(String),
            submissionsPauseReason: 'OPERATOR',
            nextCheckAt: null,
          },
        ],
      },
    });
    expect((await operate('status')).out).toContain('OPERATOR');
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('likeness_submissions_paused{provider="sandbox",reason="OPERATOR"} 1');
    const shown = JSON.parse((await operate('models', 'show', id, '--json')).out) as Record<string, unknown>;
    expect(shown).toMatchObject({
      status: 'QUEUED',
      waitsFor: 'submissions are paused: OPERATOR',
      submissions: [],
    });
    expect((await gateway.sandbox.counts()).calls).toMatchObject({ train: 0, balance: 0 });

    expect((await operate('upstream', 'resume')).out).toMatch(/^Submissions of account \w+ are resumed\.$/);
    expect((await client.modelEnd(id)).status).toBe('READY');
    expect(await account()).toMatchObject({ submissionsPausedAt: null, submissionsPauseReason: null });
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).not.toContain('submissions_paused{');
  });

  it('explains what to do for an unknown account', async () => {
    expect(await operate('upstream', 'pause', '--account', 'zzz')).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('Account not found'),
    });
    expect(await operate('pause', '--account', '')).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('--account is empty'),
    });
    expect((await account())!.submissionsPausedAt).toBeNull();
    expect(await operate('pause', 'picsrat')).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('is not an avatar service (picsart, sandbox)'),
    });
  });

  it('is not needed for an account without credits, which alerts, waits, and recovers', async () => {
    const photoIds = await client.upload();
    await gateway.sandbox.fault({ on: 'train', kind: 'status', status: 402, times: 2 });
    await gateway.sandbox.fault({ on: 'balance', kind: 'status', status: 402, times: 2 });
    const before = (await gateway.sandbox.counts()).calls;
    const { id } = await client.train({ photoIds });
    expect((await client.modelEnd(id)).status).toBe('READY');
    const after = (await gateway.sandbox.counts()).calls;
    expect(after.train - before.train).toBe(3);
    expect(after.balance - before.balance).toBeGreaterThanOrEqual(3);
    const alarms = gateway.log.filter(({ msg }) =>
      String(msg).startsWith('the upstream refuses the account'),
    );
    expect(alarms).toMatchObject([{ level: 'error', reason: 'UPSTREAM_CREDITS', status: 402 }]);
  });
});
