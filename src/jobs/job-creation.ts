import { audit, type AuditedAction } from '../accounts/audit.repository';
import type { Consent, ConsentRule } from '../accounts/consent';
import { createOnce } from '../accounts/idempotency.repository';
import type { QuotaService } from '../accounts/quota.service';
import { toGlobalId } from '../core/ids';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { appendEvents, type Positioned } from '../events/event-log.repository';
import type { JobPhotoService } from '../photos/job-photo.service';
import type { AvatarProvider } from '../upstream/provider';
import { eventOf } from './job-event';
import { findJobsOf, readJob } from './job-row.repository';
import { noteTrace } from './job-traces';
import { reservationOf, type JobKind, type JobRow } from './job.kind';
import type { JobRepository } from './job.repository';
import { addEntry } from './timeline.repository';

/** What the services that create jobs use. */
export interface JobServiceDeps {
  database: Transactions;
  jobs: JobRepository;
  photos: JobPhotoService;
  provider: AvatarProvider;
  quotas: Pick<QuotaService, 'reserve'>;
  consents: Pick<ConsentRule, 'check'>;
}

/** The creation of a job by a mutation. */
export interface JobCreation<Row extends JobRow> {
  operation: AuditedAction;
  /** Consent is not part of the idempotent input: a repetition may state it differently. */
  input: { idempotencyKey: string | null; consent?: Consent | null };
  /** Inserts the row with the given id, and opens its stream. */
  insert: (sql: Sql, id: string) => Promise<Row>;
  /** The details for the audit log. */
  detailsOf: (row: Row) => Record<string, number>;
}

/**
 * Creates a job, or returns the one of an earlier call with the same idempotency key. All writes are in one transaction.
 * @throws DomainError as {@link createOnce}; QUOTA_EXCEEDED
 */
export async function createJob<Row extends JobRow>(
  { database, jobs, quotas }: Pick<JobServiceDeps, 'database' | 'jobs' | 'quotas'>,
  viewer: Viewer,
  kind: JobKind<Row>,
  { operation, input, insert, detailsOf }: JobCreation<Row>,
): Promise<Row & Positioned> {
  const { idempotencyKey: key, consent: _consent, ...rest } = input;
  const job = await createOnce(database, viewer, {
    noun: kind.noun,
    key,
    operation,
    input: rest,
    create: async (sql, id) => {
      const row = await insert(sql, id);
      noteTrace(row);
      jobs.log.noteCreated(kind, row);
      await appendEvents(sql, [eventOf(kind, row)]);
      await addEntry(sql, kind, id, 'REQUESTED');
      await audit(sql, viewer, {
        action: operation,
        subject: toGlobalId(kind.node, id),
        details: detailsOf(row),
      });
      await quotas.reserve(sql, viewer, reservationOf(kind, row));
      return readJob(sql, kind, row);
    },
    find: async (id) => (await findJobsOf(database, kind, viewer.owner, [id]))[0] ?? null,
  });
  jobs.wake(kind, [job], true);
  return job;
}
