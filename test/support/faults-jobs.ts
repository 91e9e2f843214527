import { eventually, isOver, type Job } from './faults-client';
import type { FaultsEnvironment } from './faults-environment';

/** What kind of job goes the way. */
export type JobKind = 'training' | 'generation' | 'instant';

/** What each kind is when all went well. */
export const successes: Record<JobKind, string> = {
  training: 'READY',
  generation: 'COMPLETED',
  instant: 'COMPLETED',
};

/** The upstream's operation that is paid for. */
export const operations = { training: 'train', generation: 'generate', instant: 'instant' } as const;

const retries: Record<JobKind, string> = {
  training: 'retryModel',
  generation: 'retryGeneration',
  instant: 'retryGeneration',
};

/** What the jobs of a environment have in common: its photos and its model. */
interface Fixtures {
  photoIds: string[];
  modelId: string;
}

const fixtures = new WeakMap<FaultsEnvironment, Fixtures>();

/** Makes sure that a environment has photos and a model, and a budget for what comes. */
export async function prepareFixtures(environment: FaultsEnvironment): Promise<Fixtures> {
  const prepared = fixtures.get(environment) ?? (await prepare(environment));
  fixtures.set(environment, prepared);
  await environment.freshBudget();
  return prepared;
}

async function prepare({ client }: FaultsEnvironment): Promise<Fixtures> {
  const photoIds = await client.upload(5);
  const { id: modelId } = await client.train(photoIds);
  await eventually(
    'the first model',
    () => client.model(modelId),
    (model) => model?.status === 'READY',
  );
  return { photoIds, modelId };
}

/** Asks for a job in a furnished environment; a generation has two pictures. */
export function order(environment: FaultsEnvironment, kind: JobKind, key?: string): Promise<Job> {
  const { photoIds, modelId } = fixtures.get(environment)!;
  if (kind === 'training') return environment.client.train(photoIds, key);
  if (kind === 'generation') return environment.client.generate(modelId, 2, key);
  return environment.client.instant(photoIds[0]!, key);
}

/** The job as it is. */
export function look(environment: FaultsEnvironment, kind: JobKind, id: string): Promise<Job | null> {
  return kind === 'training' ? environment.client.model(id) : environment.client.generation(id);
}

/** Waits until a job is over. */
export async function ending(
  environment: FaultsEnvironment,
  kind: JobKind,
  id: string,
  holds: (job: Job) => boolean = () => true,
): Promise<Job> {
  const job = await eventually(
    `the end of a ${kind}`,
    () => look(environment, kind, id),
    (now) => isOver(now) && holds(now!),
    120_000,
  );
  return job!;
}

/** A person pays again, and it is seen: in the number of attempts, and upstream. */
export async function retryAndPay(environment: FaultsEnvironment, kind: JobKind, job: Job): Promise<void> {
  await environment.freshBudget();
  const before = await environment.paid();
  if (!job.failure?.retryable) throw new Error('It cannot be retried.');
  await environment.client.change(retries[kind], job.id);
  const again = await ending(environment, kind, job.id);
  const paid = (await environment.paid()) - before;
  if (again.status !== successes[kind] || again.attempt !== job.attempt + 1 || paid !== 1) {
    throw new Error(
      `The retry ended ${again.status} as attempt ${again.attempt} and was paid ${paid} times.`,
    );
  }
}
