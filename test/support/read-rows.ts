import type { Client as Session } from 'pg';
import { newId, toGlobalId, type NodeKind } from '../../src/core/ids';
import { positionOf } from '../../src/core/list-statements';
import { encodeCursor } from '../../src/graphql/connection';
import type { Pace } from '../../src/jobs/job.entity';
import { numbersFrom } from './random';

/** Texts that JSON escapes, or that could be taken for something else. */
const texts = [
  'Zoë',
  'a "quote" \\ and a tab\t',
  'line\nbreak \u0001 \u001f \u007f',
  '\u2028 😀',
  "it's $1",
  'ZZZ',
  '',
  'aaa',
];

const unstored = ['PENDING', 'DELAYED', 'LOST'];
const modelStatuses = ['QUEUED', 'TRAINING', 'READY', 'FAILED', 'FAILED', 'CANCELLED'];
const generationStatuses = ['QUEUED', 'GENERATING', 'COMPLETED', 'PARTIAL', 'PARTIAL', 'FAILED'];

/** Inserts random rows of owners, for queries that must not mix them. */
export class ReadRows {
  /** The global ids of all rows by owner. */
  readonly ids = new Map<string, string[]>();
  /** Global ids of {@link addUsable}. */
  usable = { modelId: '', generationId: '', photoIds: [] as string[] };
  /** The ids of avatars that are not stored, which no query returns. */
  readonly pending: string[] = [];
  readonly cursors: string[] = [];
  private readonly random: () => number;

  constructor(
    private readonly database: Session,
    seed: number,
  ) {
    this.random = numbersFrom(seed);
  }

  /** Inserts rows of an owner. Each of its texts contains the name of the owner. */
  async add(owner: string): Promise<void> {
    const photos = await this.repeat(6, () => this.photo(owner));
    const models = await this.repeat(5, () => this.model(owner, photos));
    for (const modelId of [...models, ...models, null, null, null]) {
      const generationId = await this.generation(owner, modelId, this.among(photos));
      await this.repeat(3, (position) => this.avatar(owner, generationId, modelId, position));
    }
    await this.addRetryable(owner);
  }

  /** Inserts a model from which avatars can be generated, a queued generation of it, and photos from which one can be trained. */
  async addUsable(owner: string): Promise<void> {
    const photos = await this.repeat(5, () => this.photo(owner));
    await this.database.query(
      `UPDATE photos SET status = 'READY', problems = '[]', purge_at = NULL WHERE id = ANY($1)`,
      [photos],
    );
    const model = await this.model(owner, photos.slice(0, 2));
    await this.database.query(
      `UPDATE models SET status = 'READY', provider = 'sandbox', ready_at = now(), due_at = NULL,
              failure_code = NULL, failure_message = NULL, failure_retryable = NULL WHERE id = $1`,
      [model],
    );
    const generation = await this.generation(owner, model, photos[0]!);
    await this.database.query(
      `UPDATE generations SET status = 'QUEUED', completed_at = NULL, ordered_positions = NULL, provider_ref = NULL,
              failure_code = NULL, failure_message = NULL, failure_retryable = NULL WHERE id = $1`,
      [generation],
    );
    const generationId = toGlobalId('Generation', generation);
    const photoIds = photos.map((id) => toGlobalId('Photo', id));
    this.usable = { modelId: toGlobalId('AvatarModel', model), generationId, photoIds };
  }

  /** Inserts failed jobs that may be retried, each with photos that are kept and without. */
  private async addRetryable(owner: string): Promise<void> {
    const failed = `status = 'FAILED', provider = 'sandbox', failure_code = 'UPSTREAM_FAILED', failure_message = owner, failure_retryable = true`;
    for (const status of ['READY', 'PURGED']) {
      const photos = await this.repeat(2, () => this.photo(owner));
      await this.database.query('UPDATE photos SET status = $2 WHERE id = $1', [photos[0], status]);
      await this.database.query(`UPDATE photos SET status = 'READY' WHERE id = $1`, [photos[1]]);
      const model = await this.model(owner, []);
      await this.database.query(
        `UPDATE models SET ${failed}, ready_at = NULL, photo_count = 2 WHERE id = $1`,
        [model],
      );
      await this.database.query('INSERT INTO model_photos VALUES ($1, $2, 0), ($1, $3, 1)', [
        model,
        ...photos,
      ]);
      const generation = await this.generation(owner, null, photos[0]!);
      await this.database.query(
        `UPDATE generations SET ${failed}, completed_at = NULL, photo_id = $2 WHERE id = $1`,
        [generation, photos[0]],
      );
    }
  }

  private async model(owner: string, photos: readonly string[]): Promise<string> {
    const status = this.among(modelStatuses);
    const name = this.text(owner);
    const id = await this.insert('AvatarModel', 'models', {
      ...this.job(owner, status),
      ...{ name, type: this.among(['DOG', 'CAT', 'MAN']), photo_count: this.among([2, 4]) },
      ...{ ready_at: status === 'READY' ? this.time() : null },
    });
    for (const [position, photo] of photos.slice(0, this.among([0, 2, 4])).entries())
      await this.database.query('INSERT INTO model_photos VALUES ($1, $2, $3)', [id, photo, position]);
    for (const order of ['NEWEST', 'OLDEST', 'NAME'] as const)
      this.cursors.push(encodeCursor(positionOf({ id, name }, order), order));
    if (this.happens()) await this.database.query('INSERT INTO streams VALUES ($1, $2, $3)', [id, owner, 7]);
    await this.timeline('model_id', id, owner);
    return id;
  }

  private async generation(owner: string, modelId: string | null, photoId: string): Promise<string> {
    const status = this.among(generationStatuses);
    const prompt = { style: 'noir', prompt: this.among([null, this.text(owner)]), count: 3 };
    const id = await this.insert('Generation', 'generations', {
      ...this.job(owner, status),
      ...{ model_id: modelId, photo_id: this.among([null, photoId]), wanted: this.among([2, 3]) },
      prompts: JSON.stringify([prompt, { ...prompt, negativePrompt: this.text(owner), style: 'pop' }]),
      ordered_positions: this.among([null, [1]]),
      completed_at: ['COMPLETED', 'PARTIAL'].includes(status) ? this.time() : null,
    });
    await this.timeline('generation_id', id, owner);
    return id;
  }

  /** Some entries of each kind, and the ledger's rows of some of the attempts. */
  private async timeline(job: string, jobId: string, owner: string): Promise<void> {
    for (const attempt of [1, 2]) {
      if (!this.happens()) continue;
      const outcome = this.among(['CALLING', 'REFUSED', 'NOT_EXECUTED', 'UNKNOWN']);
      await this.database.query(
        `INSERT INTO submissions (id, ${job}, attempt, provider, account, outcome, http_status, correlation_id, duration_ms, answered_at)
         VALUES ($1, $2, $3, 'sandbox', 'a', $4, $5, $6, $7, $8)`,
        [
          ...[newId(), jobId, attempt, outcome, this.among([null, 400]), this.text(owner)],
          ...[this.among([null, 7]), outcome === 'CALLING' ? null : '2030-01-01T00:00:00Z'],
        ],
      );
    }
    const calls = { http_status: this.among([null, 200]), duration_ms: 12, correlation_id: this.text(owner) };
    const entries: readonly Record<string, unknown>[] = [
      { kind: 'REQUESTED' },
      { kind: 'SUBMITTED' },
      { kind: 'POLLED', polls: 0, outcome: this.among(['RUNNING', 'NOT_FOUND', 'ERROR']), ...calls },
      { kind: 'POLLED', polls: 3, outcome: this.among(['DONE', 'FAILED']), ...calls },
      { kind: 'STATUS_CHANGED', status: 'FAILED', failure_code: this.among(['NEW_CODE', 'UPSTREAM_FAILED']) },
      { kind: 'AVATAR_STORED' },
      { kind: 'ACTED_ON', status: this.among(['QUEUED', 'CANCELLED']) },
    ];
    for (const entry of entries) {
      if (!this.happens()) continue;
      const id = newId(Date.UTC(2026, 0, 1) + Math.floor(this.random() * 1e6));
      const columns = {
        id,
        owner,
        [job]: jobId,
        attempt: this.among([1, 2]),
        occurred_at: this.time(),
        ...entry,
      };
      const places = Object.keys(columns).map((_, index) => `$${index + 1}`);
      const text = `INSERT INTO timeline_entries (${Object.keys(columns).join(', ')}) VALUES (${places.join(', ')})`;
      await this.database.query(text, Object.values(columns));
      this.cursors.push(encodeCursor({ id, key: null }, 'OLDEST'));
    }
  }

  private async avatar(
    owner: string,
    generationId: string,
    modelId: string | null,
    position: number,
  ): Promise<string> {
    const status = this.among(['STORED', 'STORED', 'STORED', 'STORED', ...unstored]);
    const isStored = status === 'STORED';
    const isDue = ['PENDING', 'DELAYED'].includes(status);
    const isMissing = ['DELAYED', 'LOST'].includes(status);
    const favorite = this.happens();
    const id = await this.insert('Avatar', 'avatars', {
      ...{
        owner,
        generation_id: generationId,
        model_id: modelId,
        position,
        style: this.among(['noir', 'pop']),
      },
      ...{ prompt: this.among([null, this.text(owner)]), status, favorite },
      ...{ failure_code: isMissing ? this.among(['RESULT_EXPIRED', 'RESULT_UNREACHABLE']) : null },
      ...{ failing_since: status === 'DELAYED' ? this.time() : null },
      ...{ width: 512, height: 640, byte_size: 1234, content_type: 'image/jpeg', placeholder: `L0"${owner}` },
      ...{ sha256: '0'.repeat(64), due_at: isDue ? this.time() : null, created_at: this.time() },
    });
    if (!isStored) this.pending.push(toGlobalId('Avatar', id));
    this.cursors.push(encodeCursor(positionOf({ id, favorite }, 'FAVORITES'), 'FAVORITES'));
    return id;
  }

  private photo(owner: string): Promise<string> {
    const problem = { code: this.among(['TOO_SMALL', 'NEW_CODE']), message: this.text(owner) };
    const isRejected = this.happens();
    return this.insert('Photo', 'photos', {
      ...{
        owner,
        status: isRejected ? 'REJECTED' : this.among(['READY', 'READY', 'PURGED']),
        filename: this.among([null, this.text(owner)]),
      },
      ...{ problems: JSON.stringify(isRejected ? [problem] : []), purge_at: this.among([null, this.time()]) },
      ...{ width: 900, height: 700, byte_size: 99, source_sha256: '0'.repeat(64), created_at: this.time() },
    });
  }

  private job(owner: string, status: string): Record<string, unknown> {
    const isFailed = status === 'FAILED';
    const consented = this.happens();
    return {
      ...{
        owner,
        status,
        provider: this.among(['sandbox', 'sandbox', 'picsart']),
        progress: this.among([0, 50, 100]),
        provider_ref: newId(),
      },
      ...{ failure_code: isFailed ? this.among(['UPSTREAM_FAILED', 'NEW_CODE']) : null },
      ...{
        failure_message: isFailed ? this.text(owner) : null,
        failure_retryable: isFailed ? this.happens() : null,
      },
      ...{ consent_version: consented ? this.text(owner) : null, consent_at: consented ? this.time() : null },
      ...{
        estimated_ready_at: this.among([null, this.time()]),
        pace: this.among([null, JSON.stringify(this.pace())]),
        due_at: this.time(),
        attempt: this.among([0, 1, 2]),
      },
      ...{ created_at: this.time(), updated_at: this.time(), submitted_at: this.among([null, this.time()]) },
    };
  }

  private async insert(kind: NodeKind, table: string, columns: Record<string, unknown>): Promise<string> {
    const id = newId(Date.UTC(2026, 0, 1) + Math.floor(this.random() * 5 * 86_400_000));
    const names = ['id', ...Object.keys(columns)];
    const places = names.map((_, index) => `$${index + 1}`);
    const text = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')})`;
    await this.database.query(text, [id, ...Object.values(columns)]);
    const owner = String(columns.owner);
    this.ids.set(owner, [...(this.ids.get(owner) ?? []), toGlobalId(kind, id)]);
    this.cursors.push(encodeCursor({ id, key: null }), encodeCursor({ id, key: null }, 'OLDEST'));
    return id;
  }

  private text(owner: string): string {
    return `${this.among(texts)}${owner}`;
  }

  /** Of a job that runs for as long as a test takes, or has for months. */
  private pace(): Pace {
    const maxMs = this.among([1_000, 1e11]);
    const durations = [0.1, 0.5, 1].map((share) => share * maxMs);
    const reportedMs = this.among([null, 5e10]);
    return { durations, atMs: this.among([0, Date.UTC(2026, 0, 4)]), reached: 30, reportedMs, isTimed: true };
  }

  /** With microseconds, which JavaScript does not have. */
  private time(): string {
    const fraction = String(Math.floor(this.random() * 1_000_000)).padStart(6, '0');
    return `2026-01-0${1 + Math.floor(this.random() * 5)} 23:59:58.${fraction}+00`;
  }

  private happens(): boolean {
    return this.random() < 0.5;
  }

  private among<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.random() * values.length)]!;
  }

  private async repeat<Value>(count: number, work: (index: number) => Promise<Value>): Promise<Value[]> {
    const results: Value[] = [];
    for (let index = 0; index < count; index += 1) results.push(await work(index));
    return results;
  }
}
