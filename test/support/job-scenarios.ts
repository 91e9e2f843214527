import type { Job, JobHarness } from './job-harness';
import type { JobProcess, JobTable } from './job-process';

/** All paid kinds of jobs. */
export const jobTypes = ['training', 'generation', 'generation from a photo'] as const;

/** One of {@link jobTypes}. */
export type JobType = (typeof jobTypes)[number];

/** Those whose submission makes the upstream fetch photos. */
export const jobTypesWithPhotos = ['training', 'generation from a photo'] as const;

/** The state of a job that the upstream is processing. */
export const running: Record<JobTable, string> = { models: 'TRAINING', generations: 'GENERATING' };

/** Creates a job of the given type. */
export function begin(harness: JobHarness, jobType: JobType): Promise<Job> {
  const asking = {
    training: () => harness.train(),
    generation: () => harness.generate(),
    'generation from a photo': () => harness.generateInstant(),
  };
  return asking[jobType]();
}

/** Runs all work that is due before the end of the grace period, several times. */
export async function runAllWork(harness: JobHarness, job: Job, by: JobProcess): Promise<void> {
  for (let time = 0; time < 4; time += 1) {
    await harness.untilDue(job);
    await by.submit(job.table);
    await by.replay();
  }
}

/** The outcomes of the job's paid calls in the ledger, in order. */
export async function outcomes(harness: JobHarness, job: Job): Promise<string[]> {
  return (await harness.ledger(job)).map(({ outcome }) => outcome);
}
