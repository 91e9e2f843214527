import { audit } from '../accounts/audit';
import { isBeingErased, transactionFor } from '../accounts/erasure-gate';
import { DomainError, notFound } from '../core/errors';
import { newId } from '../core/ids';
import type { Person } from '../core/person';
import type { UrlSigner } from '../core/signature';
import type { Sql, Transactions } from '../core/sql';
import { TransferSlots, type Transfer, type TransferErrors, type TransferLimits } from '../core/transfers';
import type { Viewer } from '../core/viewer';
import { archiveOf } from './archive';
import type { PersonalData } from './erasure-steps';
import { zip } from './zip';

/** What exports are made of. */
export interface ExportServiceDeps {
  database: Transactions;
  data: PersonalData;
  signer: UrlSigner;
  publicUrl: () => string;
  limits: TransferLimits;
}

/** An archive on its way. */
export interface Archive {
  fileName: string;
  bytes: AsyncIterable<Uint8Array>;
  /** Must be ended when its signal is aborted. */
  transfer: Transfer;
}

/** How long the URL of an archive works, in milliseconds. */
const urlMs = 3_600_000;

/** How many URLs of archives one owner may have that still work. */
const maxOffers = 10;

/** How long an archive may be on its way after its URL has expired, in milliseconds. */
const maxServeMs = 86_400_000;

/** What refused clients are told to wait, in seconds. */
const busySeconds = 30;

/** Gives persons all that is kept of them. */
export class ExportService {
  private readonly transfers: TransferSlots;

  constructor(private readonly deps: ExportServiceDeps) {
    this.transfers = new TransferSlots(deps.limits, transferErrors);
  }

  /**
   * A URL that gives the viewer's archive, for an hour.
   * @throws DomainError RATE_LIMITED if there are ten such URLs already
   */
  async offer(viewer: Viewer): Promise<{ url: string; expiresAt: Date }> {
    const id = newId();
    const expiresAt = await transactionFor(this.deps.database, viewer, async (sql) => {
      await checkOffers(sql, viewer);
      const [made] = await sql.rows<{ expires_at: Date }>(
        `INSERT INTO exports (id, owner, expires_at) VALUES ($1, $2, now() + $3 * interval '1 ms') RETURNING expires_at`,
        [id, viewer.owner, urlMs],
      );
      await audit(sql, viewer, { action: 'exportMyData', subject: id });
      return made!.expires_at;
    });
    const path = pathOf(id);
    const query = this.deps.signer.sign('export', path, expiresAt.getTime());
    return { url: `${this.deps.publicUrl()}${path}?${query}`, expiresAt };
  }

  /**
   * Makes the archive of a URL that {@link offer} gave, while `send` takes it. One that was cut off can be fetched again
   * from the beginning as long as its URL works.
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the person's data have been erased, also in the middle of the
   * bytes; SERVICE_UNAVAILABLE while this person, or too many others, fetch one; TIMEOUT if the client takes it too
   * slowly
   */
  async serve(id: string, query: URLSearchParams, send: (archive: Archive) => Promise<void>): Promise<void> {
    const { database, data, signer } = this.deps;
    if (signer.verify('export', pathOf(id), query) !== 'valid') {
      throw new DomainError(
        'INVALID_SIGNATURE',
        'This URL is not valid, or not any more. Ask exportMyData for a new one.',
      );
    }
    const person = await this.personOf(id);
    const deps = { sql: database, data, check: () => this.checkNotErased(id) };
    const fileName = `likeness-export-${person.until.slice(0, 10)}.zip`;
    await this.transfers.run(person.owner, (transfer) =>
      send({ fileName, transfer, bytes: zip(archiveOf(deps, person)) }),
    );
  }

  /** Whose archive it is, with all that is there now. */
  private async personOf(id: string): Promise<Person> {
    const [person] = await this.deps.database.rows<Person>(
      `SELECT owner, now()::text AS until FROM exports
        WHERE id::text = $1 AND expires_at > now() AND NOT ${isBeingErased('exports.owner')}`,
      [id],
    );
    if (!person) throw notFound('archive');
    return person;
  }

  /** An erasure deletes the row. An archive on its way may outlast its URL. */
  private async checkNotErased(id: string): Promise<void> {
    const rows = await this.deps.database.rows(
      `SELECT id FROM exports WHERE id = $1 AND NOT ${isBeingErased('exports.owner')}`,
      [id],
    );
    if (rows.length === 0) throw notFound('archive');
  }
}

/**
 * Deletes offers that expired a day ago. No archive of theirs is sent any longer.
 * @returns how many, at most 1,000 a call
 */
export async function pruneExports(sql: Sql): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM exports
      WHERE id IN (SELECT id FROM exports WHERE expires_at < now() - $1 * interval '1 ms' LIMIT 1000)
     RETURNING id`,
    [maxServeMs],
  );
  return gone.length;
}

async function checkOffers(sql: Sql, { owner }: Viewer): Promise<void> {
  const [offers] = await sql.rows<{ count: number; seconds: number }>(
    `SELECT count(*)::integer AS count, ceil(extract(epoch FROM min(expires_at) - now()))::integer AS seconds
       FROM exports WHERE owner = $1 AND expires_at > now()`,
    [owner],
  );
  if (offers!.count < maxOffers) return;
  throw new DomainError('RATE_LIMITED', 'You have ten URLs of archives that still work. Use one of them.', {
    details: { maximum: maxOffers, retryAfterSeconds: offers!.seconds },
  });
}

function pathOf(id: string): string {
  return `/exports/${id}`;
}

const transferErrors: TransferErrors = {
  tooSlow: () => new DomainError('TIMEOUT', 'The archive was read too slowly. Fetch it again.'),
  ownerFull: () => busy('Your archive is being fetched already.'),
  full: () => busy('Too many archives are being fetched at the moment.'),
  displaced: () => busy('Too many archives are being fetched, and this one was read the slowest.'),
};

function busy(why: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${why} Try again in half a minute.`, {
    details: { retryAfterSeconds: busySeconds },
  });
}
