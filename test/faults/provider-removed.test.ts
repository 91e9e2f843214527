import type { Job } from '../support/client';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, readJob, order, type JobKind } from '../support/faults-jobs';
import { eventually } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;

afterEach(() => environment.stop());

const kinds: JobKind[] = ['training', 'generation'];

it('jobs of a removed provider end, new ones are rejected, and both work again once it is configured', async () => {
  const settings = { TRAINING_DEADLINE: '20s', GENERATION_DEADLINE: '20s' };
  environment = await FaultsEnvironment.open({ settings });
  await prepareFixtures(environment);
  for (const on of ['model', 'inference'] as const)
    await environment.sandbox.fault({ on, kind: 'never-done', times: 100_000 });
  const before = await environment.paid();
  const jobs = await Promise.all(kinds.map((kind) => order(environment, kind)));

  for (const [index, kind] of kinds.entries()) {
    const isSubmitted = (job: Job | null): boolean => ['TRAINING', 'GENERATING'].includes(job!.status);
    await eventually('a submitted job', () => readJob(environment, kind, jobs[index]!.id), isSubmitted);
  }
  await environment.gateway.kill();
  await environment.restartGateway(0, { UPSTREAM: 'sandbox', UNCERTAIN_GRACE: '70s' });
  for (const [index, kind] of kinds.entries()) {
    const { failure } = await ending(environment, kind, jobs[index]!.id);
    expect(failure?.code).toBe('PROVIDER_NOT_CONFIGURED');
  }
  await expect(order(environment, 'generation')).rejects.toThrow(/not configured/);

  await environment.clearFaults();
  await environment.gateway.kill();
  await environment.restartGateway();
  // Makes the jobs due that the late watch postponed until the provider is configured again.
  for (const table of ['models', 'generations'])
    await environment.rows(
      `UPDATE ${table} SET due_at = now() WHERE status = 'FAILED' AND due_at IS NOT NULL`,
    );
  for (const [index, kind] of kinds.entries()) {
    const { status } = await ending(
      environment,
      kind,
      jobs[index]!.id,
      ({ status: now }) => now !== 'FAILED',
    );
    expect(['READY', 'COMPLETED']).toContain(status);
  }
  expect((await environment.paid()) - before).toBe(2);
  expect(await findViolations(environment)).toEqual([]);
});
