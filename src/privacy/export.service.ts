import { audit } from '../accounts/audit.repository';
import { transactionFor } from '../accounts/erasure-gate';
import { isBeingErased } from '../accounts/erasure.repository';
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

export interface ExportServiceDeps {
  database: Transactions;
  data: PersonalData;
  signer: UrlSigner;
  publicUrl: () => string;
  limits: TransferLimits;
}

/** An archive during its download. */
export interface Archive {
  fileName: string;
  bytes: AsyncIterable<Uint8Array>;
  /** The sender must stop when its signal is aborted. */
  transfer: Transfer;
}

/** The lifetime of a download URL in milliseconds. */
const urlMs = 3_600_000;

/** The maximum number of valid download URLs per owner. */
const maxOffers = 10;

/** How long a download may continue after its URL has expired, in milliseconds. */
const maxServeMs = 86_400_000;

/** `retryAfterSeconds` of refused downloads. */
const busySeconds = 30;

/** Exports all data of an owner as an archive. */
export class ExportService {
  private readonly transfers: TransferSlots;

  constructor(private readonly deps: ExportServiceDeps) {
    this.transfers = new TransferSlots(deps.limits, transferErrors);
  }

  /**
   * Creates a download URL for the viewer's archive.
   * @throws DomainError RATE_LIMITED if {@link maxOffers} URLs are valid already
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
   * Creates the archive of a URL from {@link offer} while `send` reads it. An interrupted download can be restarted from
   * the beginning while its URL is valid.
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the data have been erased, also during the download;
   * SERVICE_UNAVAILABLE while this owner, or too many others, download an archive; TIMEOUT if the client reads too slowly
   */
  async serve(id: string, query: URLSearchParams, send: (archive: Archive) => Promise<void>): Promise<void> {
    const { database, data, signer } = this.deps;
    if (signer.verify('export', pathOf(id), query) !== 'valid') {
      throw new DomainError(
        'INVALID_SIGNATURE',
        'This URL is invalid or has expired. Call exportMyData for a new one.',
      );
    }
    const person = await this.personOf(id);
    const deps = { sql: database, data, check: () => this.checkNotErased(id) };
    const fileName = `likeness-export-${person.until.slice(0, 10)}.zip`;
    await this.transfers.run(person.owner, (transfer) =>
      send({ fileName, transfer, bytes: zip(archiveOf(deps, person)) }),
    );
  }

  /** The owner of the archive, and the time up to which data are exported. */
  private async personOf(id: string): Promise<Person> {
    const [person] = await this.deps.database.rows<Person>(
      `SELECT owner, now()::text AS until FROM exports
        WHERE id::text = $1 AND expires_at > now() AND NOT ${isBeingErased('exports.owner')}`,
      [id],
    );
    if (!person) throw notFound('archive');
    return person;
  }

  /** Does not check the expiry of the URL, since a download may outlast it. An erasure deletes the row. */
  private async checkNotErased(id: string): Promise<void> {
    const rows = await this.deps.database.rows(
      `SELECT id FROM exports WHERE id = $1 AND NOT ${isBeingErased('exports.owner')}`,
      [id],
    );
    if (rows.length === 0) throw notFound('archive');
  }
}

/**
 * Deletes download URLs that expired a day ago, when their downloads have ended.
 * @returns the number of deleted rows, at most 1,000 per call
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
  throw new DomainError(
    'RATE_LIMITED',
    `You already have ${maxOffers} valid download URLs. Use one of them, or retry when one has expired.`,
    {
      details: { maximum: maxOffers, retryAfterSeconds: offers!.seconds },
    },
  );
}

function pathOf(id: string): string {
  return `/exports/${id}`;
}

const transferErrors: TransferErrors = {
  tooSlow: () => new DomainError('TIMEOUT', 'The archive was read too slowly. Download it again.'),
  ownerFull: () => busy('Your archive is already being downloaded.'),
  full: () => busy('Too many archives are being downloaded.'),
  displaced: () => busy('Too many archives are being downloaded, and this one was read most slowly.'),
};

function busy(why: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${why} Retry in ${busySeconds} seconds.`, {
    details: { retryAfterSeconds: busySeconds },
  });
}
