import { isOver, type Job, type JobChange } from './client';
import type { FaultsEnvironment } from './faults-environment';
import { eventually, slow } from './until';

/** The kinds of jobs under test; `missing`: a retry of the missing picture of a PARTIAL generation. */
export type JobKind = 'training' | 'generation' | 'instant' | 'missing';

/** The state of each kind after success. */
export const successes: Record<JobKind, string> = {
  training: 'READY',
  generation: 'COMPLETED',
  instant: 'COMPLETED',
  missing: 'COMPLETED',
};

/** The paid operation of the upstream. */
export const operations = {
  training: 'train',
  generation: 'generate',
  instant: 'instant',
  missing: 'generate',
} as const;

const retries: Record<JobKind, JobChange> = {
  training: 'retryModel',
  generation: 'retryGeneration',
  instant: 'retryGeneration',
  missing: 'retryGeneration',
};

/** The data that the jobs of an environment share: its photos and its model. */
interface Fixtures {
  photoIds: string[];
  modelId: string;
  /** The PARTIAL generation whose missing picture is ordered next. */
  partialId?: string;
}

const fixtures = new WeakMap<FaultsEnvironment, Fixtures>();

/** Creates photos and a model once per environment, and resets the budget. */
export async function prepareFixtures(environment: FaultsEnvironment): Promise<Fixtures> {
  const prepared = fixtures.get(environment) ?? (await prepare(environment));
  fixtures.set(environment, prepared);
  await environment.freshBudget();
  return prepared;
}

async function prepare({ client }: FaultsEnvironment): Promise<Fixtures> {
  const photoIds = await client.upload(5);
  const { id: modelId } = await client.train({ photoIds });
  await eventually(
    'the first model',
    () => client.model(modelId),
    (model) => model?.status === 'READY',
  );
  return { photoIds, modelId };
}

/** Creates a generation that lacks one of its two pictures. */
export async function prepareMissing(environment: FaultsEnvironment): Promise<void> {
  await environment.sandbox.fault({ on: 'generate', kind: 'fewer-results' });
  const { id } = await order(environment, 'generation');
  const { status } = await ending(environment, 'generation', id);
  if (status !== 'PARTIAL') throw new Error(`The generation without a picture is ${status}.`);
  fixtures.get(environment)!.partialId = id;
}

/** Creates a job in a prepared environment; a generation has two pictures. */
export function order(environment: FaultsEnvironment, kind: JobKind, key?: string): Promise<Job> {
  const { photoIds, modelId, partialId } = fixtures.get(environment)!;
  if (kind === 'missing') {
    const retry = { attempt: 1, idempotencyKey: key, missingOnly: true };
    return environment.client.change('retryGeneration', partialId!, retry);
  }
  if (kind === 'training') return environment.client.train({ photoIds, idempotencyKey: key });
  if (kind === 'generation') return environment.client.generate(modelId, [{ count: 2 }], key);
  return environment.client.instant({ photoId: photoIds[0]!, prompt: '', idempotencyKey: key });
}

/** Orders jobs at a time. On a busy machine an operation may reach its time limit; it is repeated with its key, as clients do. */
export function orderAll(environment: FaultsEnvironment, kinds: readonly JobKind[]): Promise<Job[]> {
  const one = (kind: JobKind, index: number): Promise<Job> => {
    const key = `one-of-many-${index}`;
    return eventually(
      key,
      () => order(environment, kind, key),
      () => true,
    );
  };
  return Promise.all(kinds.map(one));
}

/** Reads the current state of the job. */
export function readJob(environment: FaultsEnvironment, kind: JobKind, id: string): Promise<Job | null> {
  return kind === 'training' ? environment.client.model(id) : environment.client.generation(id);
}

/** Waits until a job has ended. */
export async function ending(
  environment: FaultsEnvironment,
  kind: JobKind,
  id: string,
  holds: (job: Job) => boolean = () => true,
): Promise<Job> {
  const job = await eventually(
    `the end of a ${kind}`,
    () => readJob(environment, kind, id),
    (now) => isOver(now) && holds(now!),
    120_000,
    slow,
  );
  return job!;
}

/** Retries a failed job and checks that the attempt is counted and paid once. */
export async function retryAndPay(environment: FaultsEnvironment, kind: JobKind, job: Job): Promise<void> {
  await environment.freshBudget();
  const before = await environment.paid();
  if (!job.failure?.retryable) throw new Error('It cannot be retried.');
  await environment.client.change(retries[kind], job.id, kind === 'missing' ? { missingOnly: true } : {});
  const again = await ending(environment, kind, job.id);
  const paid = (await environment.paid()) - before;
  if (again.status !== successes[kind] || again.attempt !== job.attempt + 1 || paid !== 1) {
    throw new Error(
      `The retry ended ${again.status} as attempt ${again.attempt} and was paid ${paid} times.`,
    );
  }
}
