import type { Job, JobBench } from './job-bench';
import type { JobProcess, JobTable } from './job-process';

/** Everything that is paid for. */
export const nouns = ['training', 'generation', 'generation from a photo'] as const;

/** One of {@link nouns}. */
export type Noun = (typeof nouns)[number];

/** Those whose submission makes the upstream fetch photos. */
export const nounsWithPhotos = ['training', 'generation from a photo'] as const;

/** The state of a job that the upstream has. */
export const running: Record<JobTable, string> = { models: 'TRAINING', generations: 'GENERATING' };

/** Asks for one, as a client does. */
export function begin(bench: JobBench, noun: Noun): Promise<Job> {
  const asking = {
    training: () => bench.train(),
    generation: () => bench.generate(),
    'generation from a photo': () => bench.generateInstant(),
  };
  return asking[noun]();
}

/** Does whatever is due, and whatever would be due some time before the grace is over, several times. */
export async function tryEverything(bench: JobBench, job: Job, by: JobProcess): Promise<void> {
  for (let time = 0; time < 4; time += 1) {
    await bench.untilDue(job);
    await by.submit(job.table);
    await by.replay();
  }
}

/** What the ledger says of how the job's paid calls ended, in their order. */
export async function outcomes(bench: JobBench, job: Job): Promise<string[]> {
  return (await bench.ledger(job)).map(({ outcome }) => outcome);
}
