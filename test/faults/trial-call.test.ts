import { randomUUID } from 'node:crypto';
import { FakeUpstream, silence } from '../support/fake-upstream';
import { FaultsEnvironment } from '../support/faults-environment';
import { until } from '../support/until';

jest.setTimeout(60_000);

describe('a trial call', () => {
  it.each([
    ['SUBMIT_TIMEOUT', '5m', '10s'],
    ['POLL_TIMEOUT', '10s', '5m'],
  ])('keeps its slot for longer than %s', async (_, SUBMIT_TIMEOUT, POLL_TIMEOUT) => {
    const upstream = await FakeUpstream.start();
    // Also those that check the key.
    upstream.next(...Array.from({ length: 20 }, silence));
    const settings = { PICSART_BASE_URL: upstream.url, PICSART_API_KEY: 'key', SUBMIT_TIMEOUT, POLL_TIMEOUT };
    const environment = await FaultsEnvironment.open({ settings });
    try {
      const photos = await environment.client.upload(5);
      // The circuit of submissions is open, and a trial is due.
      await until(async () => {
        const opened = await environment.rows(
          'UPDATE upstream_accounts SET submit_failing = $1, submit_open_until = now() RETURNING account',
          [Array.from({ length: 5 }, () => randomUUID())],
        );
        return opened.length === 1;
      });
      await environment.client.train({ photoIds: photos });
      await until(() => Promise.resolve(upstream.requests.some(({ method }) => method === 'POST')));
      const [row] = await environment.rows<{ seconds: number }>(
        'SELECT extract(epoch FROM submit_open_until - now())::float8 AS seconds FROM upstream_accounts',
      );
      expect(row!.seconds).toBeGreaterThan(300);
    } finally {
      await environment.stop();
      await upstream.stop();
    }
  });
});
