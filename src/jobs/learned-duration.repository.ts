import type { Sql, Transactions } from '../core/sql';
import { DurationSketch, type DurationRange } from './duration-sketch';
import type { LearnedDurationEntity, SketchBins } from './learned-duration.entity';

/** Identifies what is learned together. */
export type LearnedKey = Pick<LearnedDurationEntity, 'provider' | 'work' | 'jobClass'>;

/** What has been learned of one work, by class. */
export async function readLearned(
  sql: Sql,
  { provider, work }: Omit<LearnedKey, 'jobClass'>,
): Promise<Map<string, DurationSketch>> {
  const rows = await sql.rows<{ job_class: string; bins: SketchBins }>(
    'SELECT job_class, bins FROM learned_durations WHERE provider = $1 AND work = $2',
    [provider, work],
  );
  return new Map(rows.map(({ job_class, bins }) => [job_class, new DurationSketch(bins)]));
}

/** Adds observations to a sketch. Other processes do so at the same time. */
export async function addLearned(
  database: Transactions,
  key: LearnedKey,
  ranges: readonly DurationRange[],
): Promise<void> {
  const parameters = [key.provider, key.work, key.jobClass];
  const isOfKey = 'provider = $1 AND work = $2 AND job_class = $3';
  await database.transaction(async (sql) => {
    await sql.rows(
      `INSERT INTO learned_durations (provider, work, job_class, bins) VALUES ($1, $2, $3, '{}') ON CONFLICT DO NOTHING`,
      parameters,
    );
    const [row] = await sql.rows<{ bins: SketchBins }>(
      `SELECT bins FROM learned_durations WHERE ${isOfKey} FOR UPDATE`,
      parameters,
    );
    const sketch = new DurationSketch(row!.bins);
    for (const range of ranges) sketch.learn(range);
    await sql.rows(`UPDATE learned_durations SET bins = $4, updated_at = now() WHERE ${isOfKey}`, [
      ...parameters,
      JSON.stringify(sketch.bins),
    ]);
  });
}
