import { complaints } from '../support/faults-audit';
import { eventually, type Job } from '../support/faults-client';
import { FaultsHouse } from '../support/faults-house';
import { ending, furnish, look, order, type JobKind } from '../support/faults-jobs';

jest.setTimeout(180_000);

let house: FaultsHouse;

afterEach(() => house.close());

const kinds: JobKind[] = ['training', 'generation'];

it('jobs of a provider that is removed end, new ones are refused, and both go on once it is back', async () => {
  const settings = { TRAINING_DEADLINE: '20s', GENERATION_DEADLINE: '20s' };
  house = await FaultsHouse.open({ settings });
  await furnish(house);
  for (const on of ['model', 'inference'] as const)
    await house.sandbox.fault({ on, kind: 'never-done', times: 100_000 });
  const before = await house.paid();
  const jobs = await Promise.all(kinds.map((kind) => order(house, kind)));

  for (const [index, kind] of kinds.entries()) {
    const isSubmitted = (job: Job | null): boolean => ['TRAINING', 'GENERATING'].includes(job!.status);
    await eventually('a submitted job', () => look(house, kind, jobs[index]!.id), isSubmitted);
  }
  await house.gateway.kill();
  await house.restartGateway(0, { UPSTREAM: 'sandbox', UNCERTAIN_GRACE: '70s' });
  for (const [index, kind] of kinds.entries()) {
    const { failure } = await ending(house, kind, jobs[index]!.id);
    expect(failure?.code).toBe('PROVIDER_NOT_CONFIGURED');
  }
  await expect(order(house, 'generation')).rejects.toThrow(/not configured/);

  await house.clearFaults();
  await house.gateway.kill();
  await house.restartGateway();
  // What the late watch put off until the provider is back is due now.
  for (const table of ['models', 'generations'])
    await house.rows(`UPDATE ${table} SET due_at = now() WHERE status = 'FAILED' AND due_at IS NOT NULL`);
  for (const [index, kind] of kinds.entries()) {
    const { status } = await ending(house, kind, jobs[index]!.id, ({ status: now }) => now !== 'FAILED');
    expect(['READY', 'COMPLETED']).toContain(status);
  }
  expect((await house.paid()) - before).toBe(2);
  expect(await complaints(house)).toEqual([]);
});
