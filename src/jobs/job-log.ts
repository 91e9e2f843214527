import { toGlobalId } from '../core/ids';
import type { Logger } from '../core/logger';
import { ownerHash } from '../core/owner-hash';
import type { JobMove } from './job-move';
import type { JobKind, JobRow } from './job.kind';

/** Changes that were rolled back stay until the job changes again; beyond this number they are forgotten. */
const maxNoted = 10_000;

/** The id of a job as its users quote it, for logs. */
export function loggedId({ node }: Pick<JobKind, 'node'>, { id }: { id: string }): string {
  return toGlobalId(node, id);
}

/** Writes one line for each change of the state of a job, after its commit. */
export class JobLog {
  /** Changes that may not be committed yet, by job. */
  private readonly noted = new Map<string, { kind: JobKind; row: JobRow }>();

  /** @param logger - null: nothing is logged */
  constructor(private readonly logger: Logger | null) {}

  /** A job was created in a transaction. */
  noteCreated(kind: JobKind, row: JobRow): void {
    if (this.noted.size >= maxNoted) this.noted.clear();
    this.noted.set(row.id, { kind, row });
  }

  /** Rows were moved in a transaction. */
  noteMoved(kind: JobKind, moves: readonly JobMove[], rows: readonly JobRow[]): void {
    if (!this.logger) return;
    const changing = new Set(moves.filter(({ set }) => set.status !== undefined).map(({ id }) => id));
    for (const row of rows) {
      if (changing.has(row.id)) this.noteCreated(kind, row);
      else this.noted.delete(row.id);
    }
  }

  /** The transaction was committed. */
  write(jobs: readonly { readonly id: string }[]): void {
    for (const { id } of jobs) {
      const noted = this.noted.get(id);
      if (!noted || !this.noted.delete(id)) continue;
      const { kind, row } = noted;
      const { status, attempt, owner, providerRef, failureCode } = row;
      this.logger?.info(
        {
          id: loggedId(kind, row),
          status,
          attempt,
          owner: ownerHash(owner),
          ...(providerRef !== null && { providerRef }),
          ...(status === 'FAILED' && { failureCode }),
        },
        'job state changed',
      );
    }
  }
}
