import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { graphql, type GraphQLSchema } from 'graphql';
import { newId, readGlobalId, toGlobalId } from '../../src/core/ids';
import { localViewer } from '../../src/core/viewer';
import type { Database } from '../../src/database/database';
import { generationKind } from '../../src/generations/generation.kind';
import { buildAppSchema } from '../../src/graphql/build-schema';
import { LoaderCache } from '../../src/graphql/context';
import { findJob } from '../../src/jobs/job-row.repository';
import type { JobRow } from '../../src/jobs/job.kind';
import { SubmissionEntity } from '../../src/jobs/submission.entity';
import { modelKind } from '../../src/models/model.kind';
import { DiskStore } from '../../src/storage/disk-store';
import type { MediaStore } from '../../src/storage/media-store';
import { DownloadError } from '../../src/upstream/download';
import type { Downloads } from '../../src/upstream/downloads';
import { Client, type Job as ApiJob, type RetryInput } from './client';
import { TestDatabase } from './database';
import { armFailpoints, JobProcess, jobSettings, publicUrl, type JobTable } from './job-process';
import { brokenLedgerEntries, testPrices } from './ledger-check';
import { servePhotos } from './photo-availability';
import { ScriptedProvider, type PaidCall } from './scripted-provider';
import { composeServices, type Composition } from './services';

/** A training or a generation. */
export interface Job {
  table: JobTable;
  id: string;
  /** The stream of its events. */
  streamId: string;
  /** The prompt, which identifies the upstream calls of this job. */
  tag?: string;
}

/** Optional input of a training. */
interface Training {
  owner?: string;
  idempotencyKey?: string;
  photoIds?: string[];
}

/** An event of a job, as subscribers read it. */
export interface JobEvent {
  sequence: number;
  kind: string;
  payload: Record<string, unknown> & { status: string; progress: number; attempt: number };
}

/**
 * Jobs on a real PostgreSQL with all services that process them, a scripted upstream, and stored times that are moved
 * back on request: half an hour passes in one statement.
 */
export class JobHarness {
  readonly provider = new ScriptedProvider();
  /** Downloads the pictures of the upstream. */
  pictures: Downloads['result'] = (url) =>
    Promise.reject(new DownloadError('UNREACHABLE', `Nothing is scripted for ${url}.`));
  private readonly processes: JobProcess[] = [];
  private folders = 0;

  /** The process that most tests use. */
  worker!: JobProcess;
  database!: Database;
  media!: MediaStore;
  private composition!: Composition;
  private schema!: GraphQLSchema;
  private folder!: string;
  private testDatabase!: TestDatabase;

  static async open(): Promise<JobHarness> {
    const harness = new JobHarness();
    await harness.start();
    return harness;
  }

  async start(): Promise<void> {
    armFailpoints();
    this.testDatabase = await TestDatabase.create();
    this.folder = await mkdtemp(join(tmpdir(), 'likeness-jobs-'));
    this.database = await this.testDatabase.pool(12);
    this.media = new DiskStore(join(this.folder, 'media'));
    this.composition = composeServices({
      ...{ database: this.database, media: this.media, provider: this.provider, settings: jobSettings },
      spending: testPrices,
      dataDir: this.folder,
      publicUrl: () => publicUrl,
    });
    this.schema = buildAppSchema(this.composition.services.resolvers, ({ viewer }) =>
      Promise.resolve(viewer),
    );
    await servePhotos(this.database);
  }

  /**
   * Creates another gateway process.
   * @param folder - the directory of its journal; by default one of its own
   */
  process(folder = join(this.folder, `journal-${(this.folders += 1)}`)): JobProcess {
    const { database, provider, media } = this;
    const pictures: Downloads['result'] = (...call) => this.pictures(...call);
    return this.keep(new JobProcess({ database, provider, media, pictures }, folder));
  }

  /** Replaces a process, which is killed if it is running. */
  successor(of: JobProcess): JobProcess {
    return this.keep(of.successor());
  }

  /** Adds photos with status READY, without files. */
  async addPhotos(count: number, owner = localViewer.owner): Promise<string[]> {
    const ids = Array.from({ length: count }, () => newId());
    await this.database.rows(
      `INSERT INTO photos (id, owner, status, width, height, byte_size)
       SELECT id, $2, 'READY', 512, 512, 1000 FROM unnest($1::uuid[]) AS id`,
      [ids, owner],
    );
    return ids;
  }

  /** Starts a training through the API. */
  async train({ idempotencyKey, owner = localViewer.owner, ...given }: Training = {}): Promise<Job> {
    const photoIds = given.photoIds ?? (await this.addPhotos(2, owner));
    const photos = photoIds.map((id) => toGlobalId('Photo', id));
    const model = await this.client(owner).train({ name: 'Ann', photoIds: photos, idempotencyKey });
    return jobOf(model);
  }

  /** Requests two avatars of a new READY model. */
  async generate(owner = localViewer.owner, counts: readonly number[] = [2]): Promise<Job> {
    const modelId = newId();
    await this.database.rows(
      `INSERT INTO models (id, owner, provider, name, type, photo_count, status, attempt, provider_ref, submitted_at, ready_at)
       VALUES ($1, $2, $3, 'Ann', 'WOMAN', 2, 'READY', 1, $4, now(), now())`,
      [modelId, owner, this.provider.name, `model-${modelId}`],
    );
    await this.database.rows('INSERT INTO streams (id, owner) VALUES ($1, $2)', [modelId, owner]);
    return this.generateFrom(modelId, owner, counts);
  }

  /** Requests avatars of a model: by default two, of one prompt. */
  async generateFrom(
    modelId: string,
    owner = localViewer.owner,
    counts: readonly number[] = [2],
  ): Promise<Job> {
    const tag = newId();
    const prompts = counts.map((count, index) => ({
      style: 'realistic',
      prompt: index === 0 ? tag : `${tag} ${index}`,
      count,
    }));
    const generation = await this.client(owner).generate(toGlobalId('AvatarModel', modelId), prompts);
    return { ...jobOf(generation), streamId: modelId, tag };
  }

  /** Requests an avatar from one photo. */
  async generateInstant(): Promise<Job> {
    const [photoId] = await this.addPhotos(1);
    const tag = newId();
    const photo = toGlobalId('Photo', photoId!);
    return { ...jobOf(await this.client().instant({ photoId: photo, prompt: tag })), tag };
  }

  async cancel(job: Job): Promise<void> {
    await this.client().change(job.table === 'models' ? 'cancelModel' : 'cancelGeneration', globalIdOf(job));
  }

  async retry(job: Job, input: RetryInput = {}): Promise<ApiJob> {
    const mutation = job.table === 'models' ? 'retryModel' : 'retryGeneration';
    return this.client().change(mutation, globalIdOf(job), input);
  }

  async deleteAvatar(uuid: string): Promise<void> {
    await this.client().delete('deleteAvatar', toGlobalId('Avatar', uuid));
  }

  async delete(job: Job): Promise<void> {
    await this.client().delete(job.table === 'models' ? 'deleteModel' : 'deleteGeneration', globalIdOf(job));
  }

  /** Fetches a photo of the call for the upstream. */
  async fetchPhoto(call: PaidCall): Promise<void> {
    const { pathname, searchParams } = new URL(call.photoUrls[0]!);
    const [, jobId, attempt, photoId] = /photos\/([^/]+)\/(\d+)\/([^/]+)\.jpg$/.exec(pathname)!;
    const paidCall = { jobId: jobId!, attempt: Number(attempt) };
    // The photo has no file, so nothing is served; only the request is recorded.
    const { jobPhotos } = this.composition.services;
    await jobPhotos.openForUpstream(photoId!, paidCall, searchParams).catch(() => undefined);
  }

  /** Reads fields of a generation through the API. */
  async readGeneration<T>(job: Job, fields: string): Promise<T> {
    const query = `query ($id: ID!) { generation(id: $id) { ${fields} } }`;
    return (await this.client().request<{ generation: T }>(query, { id: globalIdOf(job) })).generation;
  }

  /** Reads fields of a job through the API. */
  async readJob<T>(job: Job, fields: string): Promise<T> {
    const query = `query ($id: ID!) { node(id: $id) { ... on Job { ${fields} } } }`;
    return (await this.client().request<{ node: T }>(query, { id: globalIdOf(job) })).node;
  }

  /** The job's row; null once it is deleted. */
  async find({ table, id }: Job): Promise<JobRow | null> {
    return findJob<JobRow>(this.database, table === 'models' ? modelKind : generationKind, id);
  }

  /** The job's row. */
  async row(job: Job): Promise<JobRow> {
    return (await this.find(job))!;
  }

  /** The ledger entries of a job in order. */
  async ledger({ table, id }: Job): Promise<SubmissionEntity[]> {
    const column = table === 'models' ? 'model_id' : 'generation_id';
    const text = `SELECT * FROM submissions WHERE ${column} = $1 ORDER BY attempt`;
    return this.database.entities(SubmissionEntity, text, [id]);
  }

  /** All events of the job's stream. */
  async events({ streamId }: Job): Promise<JobEvent[]> {
    return this.database.rows<JobEvent>(
      'SELECT sequence::int, kind, payload FROM events WHERE stream_id = $1 ORDER BY sequence',
      [streamId],
    );
  }

  /** Makes the job due, and ends leases and pauses. */
  async untilDue({ table, id }: Job): Promise<void> {
    await this.database.rows(`UPDATE ${table} SET due_at = now() WHERE id = $1 AND due_at IS NOT NULL`, [id]);
    await this.database.rows(
      `UPDATE upstream_accounts SET paused_until = NULL, poll_failing = '{}', submit_failing = '{}', reach_failing = '{}',
              submit_paused_at = NULL, submit_pause_reason = NULL, trial_at = NULL, probe_at = NULL, probes = 0`,
    );
  }

  /** Moves all times of the job into the past by this much. */
  async age(job: Job, ms: number): Promise<void> {
    const column = job.table === 'models' ? 'model_id' : 'generation_id';
    await this.database.rows(
      `UPDATE submissions SET called_at = called_at - $2 * interval '1 ms' WHERE ${column} = $1`,
      [job.id, ms],
    );
    await this.database.rows(
      `UPDATE ${job.table}
          SET submitted_at = submitted_at - $2 * interval '1 ms', deadline_at = deadline_at - $2 * interval '1 ms',
              not_found_since = not_found_since - $2 * interval '1 ms',
              last_running_at = last_running_at - $2 * interval '1 ms'
        WHERE id = $1`,
      [job.id, ms],
    );
    await this.database.rows(
      `UPDATE avatars SET created_at = created_at - m.ago, source_url_at = source_url_at - m.ago,
              failing_since = failing_since - m.ago, expires_at = expires_at - m.ago
         FROM (SELECT $2 * interval '1 ms' AS ago) m WHERE generation_id = $1`,
      [job.id, ms],
    );
    await this.untilDue(job);
  }

  /** The violations of the invariants of money. */
  brokenLedgerEntries(): Promise<string[]> {
    return brokenLedgerEntries(this.database);
  }

  /** Removes all jobs and processes. */
  async clear(): Promise<void> {
    for (const process of this.processes) process.kill();
    this.provider.hangUp();
    await Promise.all(this.processes.splice(0).map((process) => process.stop()));
    await this.database.rows(
      'TRUNCATE submissions, ledger_entries, models, generations, photos, streams, quota_reservations, upstream_accounts, submission_pauses CASCADE',
    );
    this.provider.reset();
  }

  /** Removes all jobs and closes the database. */
  async stop(): Promise<void> {
    await this.clear();
    this.composition.journal.stop();
    await this.testDatabase.drop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private keep(process: JobProcess): JobProcess {
    this.processes.push(process);
    return process;
  }

  private client(owner?: string): LocalClient {
    return new LocalClient(this.schema, owner);
  }
}

/** A client that runs operations on the schema in this process. */
class LocalClient extends Client {
  constructor(
    private readonly schema: GraphQLSchema,
    private readonly owner = localViewer.owner,
  ) {
    super(() => publicUrl);
  }

  /** @throws DomainError if it is rejected */
  override async request<T>(source: string, variableValues?: object): Promise<T> {
    const viewer = { ...localViewer, owner: this.owner };
    const contextValue = { viewer, requestId: 'test', loaders: new LoaderCache() };
    const operation = { source, variableValues: variableValues as Record<string, unknown>, contextValue };
    const { data, errors } = await graphql({ schema: this.schema, ...operation });
    if (errors) throw errors[0]!.originalError ?? errors[0]!;
    return data as T;
  }
}

/** The job that a mutation has created, with a stream of its own. */
function jobOf({ id: globalId }: ApiJob): Job {
  const { kind, id } = readGlobalId(globalId)!;
  return { table: kind === 'AvatarModel' ? 'models' : 'generations', id, streamId: id };
}

function globalIdOf({ table, id }: Job): string {
  return toGlobalId(table === 'models' ? 'AvatarModel' : 'Generation', id);
}

/** A harness for the tests of this block: without jobs and with a new worker before each test. */
export function useJobHarness<Harness extends JobHarness = JobHarness>(
  harness = new JobHarness() as Harness,
): Harness {
  beforeAll(() => harness.start());
  beforeEach(() => {
    harness.worker = harness.process();
  });
  afterEach(() => harness.clear());
  afterAll(() => harness.stop());
  return harness;
}
