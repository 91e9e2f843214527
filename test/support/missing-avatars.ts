import type { Job } from './job-harness';
import type { useResultHarness } from './result-harness';
import { done } from './scripted-provider';

/** The URL of a picture. */
export const url = (name: number | string): string => `https://pictures.example/${name}`;

/** What the API shows of missing avatars. */
export interface Missing {
  promptIndex: number;
  count: number;
  mayArrive: boolean;
  failure: { code: string; message: string; retryable: boolean };
}

/** The pictures of the upstream's answer. */
type Results = Parameters<typeof done>;

/** Steps of generations that lack avatars, and what is known of them. */
export interface MissingAvatarsSteps {
  readonly missingOf: (job: Job) => Promise<Missing[]>;
  readonly canRetry: (job: Job) => Promise<boolean>;
  readonly reserved: (job: Job) => Promise<unknown[]>;
  readonly retry: (job: Job) => Promise<unknown>;
  readonly deliver: (counts: number[], ...results: Results) => Promise<Job>;
  readonly finish: (job: Job, ...results: Results) => Promise<void>;
  readonly submit: (job: Job) => Promise<void>;
  readonly stored: (job: Job) => Promise<[number, string][]>;
}

/** The steps on a harness. */
export function missingAvatarsIn(harness: ReturnType<typeof useResultHarness>): MissingAvatarsSteps {
  const missingOf = async (job: Job): Promise<Missing[]> => {
    const fields = 'missing { promptIndex count mayArrive failure { code message retryable } }';
    return (await harness.readGeneration<{ missing: Missing[] }>(job, fields)).missing;
  };
  const canRetry = async (job: Job): Promise<boolean> =>
    (await harness.readGeneration<{ canRetry: boolean }>(job, 'canRetry')).canRetry;
  const reserved = (job: Job): Promise<unknown[]> =>
    harness.database.rows(
      'SELECT avatars, returned_at IS NOT NULL AS returned FROM quota_reservations WHERE job_id = $1 ORDER BY id',
      [job.id],
    );
  const retry = (job: Job): Promise<unknown> => harness.retry(job, { missingOnly: true });
  /** Starts a generation, which the upstream finishes with these pictures, and fetches them. */
  const deliver = async (counts: number[], ...results: Parameters<typeof done>): Promise<Job> => {
    const job = await harness.generate(undefined, counts);
    await harness.worker.submit('generations');
    await finish(job, ...results);
    return job;
  };
  /** The upstream finishes the latest attempt with these pictures, which are fetched. */
  const finish = async (job: Job, ...results: Parameters<typeof done>): Promise<void> => {
    await harness.says(job, done(...results));
    await harness.untilDue(job);
    await harness.worker.poll('generations');
    await harness.tryAgain();
  };
  const submit = async (job: Job): Promise<void> => {
    await harness.untilDue(job);
    await harness.worker.submit('generations');
  };
  const stored = async (job: Job): Promise<[number, string][]> =>
    (await harness.avatars(job))
      .filter(({ status }) => status === 'STORED')
      .map(({ position, id }) => [position, id]);
  return { canRetry, deliver, finish, missingOf, reserved, retry, stored, submit };
}
