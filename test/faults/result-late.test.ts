import { Client } from '../support/client';
import { findViolations, statesOf } from '../support/faults-audit';
import { FaultsEnvironment, type EnvironmentOptions } from '../support/faults-environment';
import { ending, prepareFixtures, readJob, order } from '../support/faults-jobs';
import { Recorder } from '../support/faults-recorder';
import { eventually, within } from '../support/until';

jest.setTimeout(240_000);

let environment: FaultsEnvironment;
let recorder: Recorder | null = null;

async function open(options: EnvironmentOptions = {}): Promise<void> {
  environment = await FaultsEnvironment.open(options);
  await prepareFixtures(environment);
}

afterEach(async () => {
  await environment.stop();
  await recorder?.close();
  recorder = null;
});

describe('finished pictures', () => {
  it('keep the bytes of the lease holder when another gateway was suspended while it stored them', async () => {
    await open();
    const sleeper = environment.gateway;
    // Both pictures: whichever is written first is the unusable one.
    await environment.sandbox.fault({ on: 'result', kind: 'html', times: 2 });
    const { reached } = await sleeper.arm('result:written');
    const { id } = await order(environment, 'generation');
    await within('the written file', reached);
    // SIGSTOP stops all timers, so the lease ends.
    process.kill(sleeper.pid, 'SIGSTOP');
    const awake = await environment.addGateway();
    const client = new Client(() => awake.url);
    await eventually(
      'the pictures, stored by the other gateway',
      () => client.generation(id),
      (generation) => generation?.status === 'COMPLETED',
    );
    process.kill(sleeper.pid, 'SIGCONT');
    sleeper.release();
    await eventually(
      'the end of the try that was suspended',
      () => Promise.resolve(sleeper.said(/could not be stored/)),
      (lines) => lines.length > 0,
    );
    expect(await readJob(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED' });
    expect(await findViolations(environment)).toEqual([]);
  });

  it('are stored after seconds of 403, 404, HTML, truncated and compressed responses', async () => {
    await open();
    for (const status of [403, 404]) {
      await environment.sandbox.fault({ on: 'result', kind: 'status', status, times: 2 });
    }
    for (const kind of ['html', 'truncated', 'gzip-bomb', 'not-an-image'] as const) {
      await environment.sandbox.fault({ on: 'result', kind });
    }
    const { id } = await order(environment, 'generation');
    expect((await ending(environment, 'generation', id)).status).toBe('COMPLETED');
    expect(await statesOf(environment, id)).not.toContain('PARTIAL');
    expect(await findViolations(environment)).toEqual([]);
  });

  it('make a generation PARTIAL when one of them fails for too long, and COMPLETED when it arrives', async () => {
    await open({ settings: { RESULT_DEADLINE: '3s' } });
    recorder = await Recorder.start(environment.sandbox.url);
    recorder.statusFor = (path) => (path.endsWith('/1.jpg') ? 404 : null);
    await environment.gateway.kill();
    await environment.restartGateway(0, { PICSART_BASE_URL: recorder.url });
    const client = new Client(() => environment.gateway.url);
    const { id } = await order(environment, 'generation');
    const [avatars, progress] = [client.followAvatars({ generationId: id }), client.followGeneration(id)];
    const received = await progress.until((all) => all.some(({ status }) => status === 'PARTIAL'));
    expect(await progress.ended()).toEqual({ how: 'complete' });
    expect(await avatars.ended()).toEqual({ how: 'complete' });
    expect(avatars.messages).toHaveLength(1);
    expect(await environment.client.avatars(id)).toHaveLength(1);
    recorder.statusFor = () => null;
    expect(
      (await ending(environment, 'generation', id, ({ status }) => status === 'COMPLETED')).progress,
    ).toBe(100);
    // A resumed subscription receives every event after its last cursor once.
    const rest = client.followGeneration(id, received.at(-1)!.cursor);
    expect(await rest.ended()).toEqual({ how: 'complete' });
    expect(rest.messages).toMatchObject([{ status: 'COMPLETED', progress: 100, isSnapshot: false }]);
    const late = client.followAvatars({ generationId: id, after: avatars.messages[0]!.cursor });
    expect(await late.ended()).toEqual({ how: 'complete' });
    expect(late.messages).toHaveLength(1);
    expect(late.messages[0]!.avatar.id).not.toBe(avatars.messages[0]!.avatar.id);
    expect(await findViolations(environment)).toEqual([]);
  });
});
