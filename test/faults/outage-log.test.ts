import { createLogger } from '../../src/core/logger';
import { PicsartProvider } from '../../src/upstream/picsart/picsart-provider';
import { FakeUpstream, answer, reset } from '../support/fake-upstream';
import { FaultsEnvironment } from '../support/faults-environment';
import { eventually } from '../support/until';

describe('an outage is logged once, and its end', () => {
  let environment: FaultsEnvironment | null = null;
  afterEach(async () => {
    await environment?.stop();
    environment = null;
  });

  it('of the database, whose failures all tasks and requests see', async () => {
    environment = await FaultsEnvironment.open({ ownPostgres: true });
    const { gateway, client } = environment;
    const ask = (): Promise<unknown> => client.post('{ models { nodes { id } } }').catch(() => undefined);
    const ready = async (): Promise<number> => (await fetch(`${gateway.url}/readyz`)).status;
    const from = gateway.log.length;
    await environment.crashPostgres();
    await eventually('the outage', ready, (status) => status === 503);
    for (let request = 0; request < 10; request += 1) await ask();
    expect(await ready()).toBe(503);
    await environment.startPostgres();
    await eventually('the end', ask, () => gateway.said(/^the database is available again$/).length > 0);
    await eventually('readiness', ready, (status) => status === 200);
    const alarms = gateway.log.slice(from).filter(({ level }) => !['info', 'debug'].includes(level));
    expect(alarms.map(({ msg }) => msg).sort()).toEqual(['not ready', 'the database is unavailable']);
    expect(gateway.said(/^the database is available again$/)).toHaveLength(1);
  });

  it('of the avatar service, whose failures many jobs see', async () => {
    const upstream = await FakeUpstream.start();
    const lines: { msg: string; level: string }[] = [];
    const logger = createLogger('info', {
      write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[0]),
    });
    const provider = new PicsartProvider({
      ...{ name: 'picsart', baseUrl: upstream.url, apiKey: 'a-key', speed: 1, pollConnections: 4, logger },
      ...{ submitTimeoutMs: 5_000, pollTimeoutMs: 5_000 },
    });
    const { signal } = new AbortController();
    const poll = (): Promise<unknown> => provider.training('ref', signal).catch(() => undefined);
    try {
      upstream.next(...Array.from({ length: 8 }, () => reset()), answer(503), answer(500));
      await Promise.all(Array.from({ length: 10 }, poll));
      await eventually(
        'the end',
        async () => {
          upstream.next(answer(200, { status: 'IN_PROGRESS' }));
          await poll();
          return lines.length;
        },
        (count) => count === 2,
      );
      expect(lines).toMatchObject([
        { level: 'warn', msg: 'the avatar service does not answer' },
        { level: 'info', msg: 'the avatar service answers again', failures: 10 },
      ]);
      expect(JSON.stringify(lines)).not.toContain('a-key');
    } finally {
      await provider.stop();
      await upstream.stop();
    }
  });
});
