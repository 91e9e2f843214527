import type { Job, JobHarness } from './job-harness';
import type { JobProcess, JobTable } from './job-process';

/** Everything that is paid for. */
export const jobTypes = ['training', 'generation', 'generation from a photo'] as const;

/** One of {@link nouns}. */
export type JobType = (typeof jobTypes)[number];

/** Those whose submission makes the upstream fetch photos. */
export const jobTypesWithPhotos = ['training', 'generation from a photo'] as const;

/** The state of a job that the upstream has. */
export const running: Record<JobTable, string> = { models: 'TRAINING', generations: 'GENERATING' };

/** Asks for one, as a client does. */
export function begin(harness: JobHarness, jobType: JobType): Promise<Job> {
  const asking = {
    training: () => harness.train(),
    generation: () => harness.generate(),
    'generation from a photo': () => harness.generateInstant(),
  };
  return asking[jobType]();
}

/** Does whatever is due, and whatever would be due some time before the grace is over, several times. */
export async function runAllWork(harness: JobHarness, job: Job, by: JobProcess): Promise<void> {
  for (let time = 0; time < 4; time += 1) {
    await harness.untilDue(job);
    await by.submit(job.table);
    await by.replay();
  }
}

/** What the ledger says of how the job's paid calls ended, in their order. */
export async function outcomes(harness: JobHarness, job: Job): Promise<string[]> {
  return (await harness.ledger(job)).map(({ outcome }) => outcome);
}
