import { answer, FakeUpstream, type Script } from '../support/fake-upstream';
import { FaultsEnvironment } from '../support/faults-environment';
import { eventually } from '../support/until';

jest.setTimeout(120_000);

describe('a gateway that is suspended during its paid call', () => {
  let environment: FaultsEnvironment;
  let upstream: FakeUpstream;

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    const settings = { PICSART_BASE_URL: upstream.url, PICSART_API_KEY: 'key', SUBMIT_TIMEOUT: '2s' };
    environment = await FaultsEnvironment.open({ settings });
  });

  afterEach(async () => {
    await environment.stop();
    await upstream.stop();
  });

  it('uses the response that arrived meanwhile although its time limit and its lease have expired', async () => {
    let paidCall: Parameters<Script> | null = null;
    const holdPaidCall: Script = (socket, request) => {
      if (request.method === 'POST') paidCall = [socket, request];
      else answer(404)(socket, request);
    };
    // The check of the key may come before or after.
    upstream.next(holdPaidCall, holdPaidCall);
    const { id } = await environment.client.train({ photoIds: await environment.client.upload(5) });
    const call = await eventually(
      'the paid call',
      () => Promise.resolve(paidCall),
      (received) => received !== null,
    );
    process.kill(environment.gateway.pid, 'SIGSTOP');
    answer(202, { model_id: 'paid-id' })(...call!);
    await eventually(
      'the end of the time limit',
      () =>
        environment.rows<{ isOver: boolean }>(
          `SELECT now() > called_at + interval '4 s' AS "isOver" FROM submissions`,
        ),
      ([row]) => row?.isOver === true,
    );
    process.kill(environment.gateway.pid, 'SIGCONT');
    await eventually(
      'the training',
      () => environment.client.model(id),
      (model) => model?.status === 'TRAINING',
    );
    expect(await environment.rows('SELECT outcome, provider_ref, attempt FROM submissions')).toEqual([
      { outcome: 'ACCEPTED', provider_ref: 'paid-id', attempt: 1 },
    ]);
    expect(upstream.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });
});
