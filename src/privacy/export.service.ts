import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { DomainError, notFound } from '../core/errors';
import { newId } from '../core/ids';
import type { UrlSigner } from '../core/signature';
import type { Sql, Transactions } from '../core/sql';
import { TransferSlots, type TransferLimits } from '../core/transfer-slots';
import type { Viewer } from '../core/viewer';
import { archiveTransferErrors, type Archive } from '../storage/archive-transfers';
import type { MediaStore } from '../storage/media-store';
import { zip } from '../storage/zip';
import { archiveOf } from './archive';
import { countOffers, findDataSubject, insertExport, isExportKept } from './export.repository';

/** The lifetime of a download URL in milliseconds. */
const urlMs = 3_600_000;

/** The maximum number of valid download URLs per owner. */
const maxOffers = 10;

/** Exports all data of an owner as an archive. */
export class ExportService {
  private readonly transfers: TransferSlots;

  constructor(
    private readonly database: Transactions,
    private readonly media: Pick<MediaStore, 'open'>,
    private readonly signer: UrlSigner,
    private readonly publicUrl: () => string,
    limits: TransferLimits,
  ) {
    this.transfers = new TransferSlots(limits, archiveTransferErrors);
  }

  /**
   * Creates a download URL for the viewer's archive.
   * @throws DomainError RATE_LIMITED if {@link maxOffers} URLs are valid already
   */
  async offer(viewer: Viewer): Promise<{ url: string; expiresAt: Date }> {
    const id = newId();
    const expiresAt = await writeTransaction(this.database, viewer, async (sql) => {
      await checkOffers(sql, viewer);
      const expiry = await insertExport(sql, { id, owner: viewer.owner }, urlMs);
      await audit(sql, viewer, { action: 'exportMyData', subject: id });
      return expiry;
    });
    const path = pathOf(id);
    const query = this.signer.sign('export', path, expiresAt.getTime());
    return { url: `${this.publicUrl()}${path}?${query}`, expiresAt };
  }

  /**
   * Creates the archive of a URL from {@link offer} while `send` reads it. An interrupted download can be restarted from
   * the beginning while its URL is valid.
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the data have been erased, also during the download;
   * SERVICE_UNAVAILABLE while this owner, or too many others, download an archive; TIMEOUT if the client reads too slowly
   */
  async serve(id: string, query: URLSearchParams, send: (archive: Archive) => Promise<void>): Promise<void> {
    const { database, media, signer } = this;
    if (signer.verify('export', pathOf(id), query) !== 'valid') {
      throw new DomainError(
        'INVALID_SIGNATURE',
        'This URL is invalid or has expired. Call exportMyData for a new one.',
      );
    }
    const subject = await findDataSubject(database, id);
    if (!subject) throw notFound('archive');
    const check = async (): Promise<void> => {
      if (!(await isExportKept(database, id))) throw notFound('archive');
    };
    const deps = { sql: database, media, check };
    const fileName = `likeness-export-${subject.until.slice(0, 10)}.zip`;
    await this.transfers.run(subject.owner, (transfer) =>
      send({ fileName, transfer, bytes: zip(archiveOf(deps, subject)) }),
    );
  }
}

async function checkOffers(sql: Sql, { owner }: Viewer): Promise<void> {
  const offers = await countOffers(sql, owner);
  if (offers.count < maxOffers) return;
  throw new DomainError(
    'RATE_LIMITED',
    `You already have ${maxOffers} valid download URLs. Use one of them, or retry when one has expired.`,
    {
      details: { maximum: maxOffers, retryAfterSeconds: offers.seconds },
    },
  );
}

function pathOf(id: string): string {
  return `/exports/${id}`;
}
