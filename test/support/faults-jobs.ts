import { eventually, isOver, type Job } from './faults-client';
import type { FaultsHouse } from './faults-house';

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

/** What the jobs of a house have in common: its photos and its model. */
interface Ground {
  photoIds: string[];
  modelId: string;
}

const grounds = new WeakMap<FaultsHouse, Ground>();

/** Makes sure that a house has photos and a model, and a budget for what comes. */
export async function furnish(house: FaultsHouse): Promise<Ground> {
  const ground = grounds.get(house) ?? (await prepare(house));
  grounds.set(house, ground);
  await house.freshBudget();
  return ground;
}

async function prepare({ client }: FaultsHouse): Promise<Ground> {
  const photoIds = await client.upload(5);
  const { id: modelId } = await client.train(photoIds);
  await eventually(
    'the first model',
    () => client.model(modelId),
    (model) => model?.status === 'READY',
  );
  return { photoIds, modelId };
}

/** Asks for a job in a furnished house; a generation has two pictures. */
export function order(house: FaultsHouse, kind: JobKind, key?: string): Promise<Job> {
  const { photoIds, modelId } = grounds.get(house)!;
  if (kind === 'training') return house.client.train(photoIds, key);
  if (kind === 'generation') return house.client.generate(modelId, 2, key);
  return house.client.instant(photoIds[0]!, key);
}

/** The job as it is. */
export function look(house: FaultsHouse, kind: JobKind, id: string): Promise<Job | null> {
  return kind === 'training' ? house.client.model(id) : house.client.generation(id);
}

/** Waits until a job is over. */
export async function ending(
  house: FaultsHouse,
  kind: JobKind,
  id: string,
  holds: (job: Job) => boolean = () => true,
): Promise<Job> {
  const job = await eventually(
    `the end of a ${kind}`,
    () => look(house, kind, id),
    (now) => isOver(now) && holds(now!),
    120_000,
  );
  return job!;
}

/** A person pays again, and it is seen: in the number of attempts, and upstream. */
export async function payAgain(house: FaultsHouse, kind: JobKind, job: Job): Promise<void> {
  await house.freshBudget();
  const before = await house.paid();
  if (!job.failure?.retryable) throw new Error('It cannot be retried.');
  await house.client.change(retries[kind], job.id);
  const again = await ending(house, kind, job.id);
  const paid = (await house.paid()) - before;
  if (again.status !== successes[kind] || again.attempt !== job.attempt + 1 || paid !== 1) {
    throw new Error(
      `The retry ended ${again.status} as attempt ${again.attempt} and was paid ${paid} times.`,
    );
  }
}
