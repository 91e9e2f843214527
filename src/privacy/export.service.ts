import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { DomainError, notFound } from '../core/errors';
import { newId } from '../core/ids';
import type { UrlSigner } from '../core/signature';
import type { Transactions } from '../core/sql';
import { TransferSlots, type TransferLimits } from '../core/transfer-slots';
import type { Viewer } from '../core/viewer';
import { archiveTransferErrors, type Archive } from '../storage/archive-transfers';
import type { MediaStore } from '../storage/media-store';
import { zip } from '../storage/zip';
import { archiveOf } from './archive';
import { exportOffers, findDataSubject, insertExport } from './export.repository';

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
   * @throws DomainError RATE_LIMITED if the owner has too many valid URLs
   */
  async offer(viewer: Viewer): Promise<{ url: string; expiresAt: Date }> {
    const id = newId();
    const expiresAt = await writeTransaction(this.database, viewer, async (sql) => {
      await exportOffers.requireFree(sql, viewer.owner);
      const expiry = await insertExport(sql, { id, owner: viewer.owner });
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
      if (!(await exportOffers.isKept(database, id))) throw notFound('archive');
    };
    const deps = { sql: database, media, check };
    const fileName = `likeness-export-${subject.until.slice(0, 10)}.zip`;
    await this.transfers.run(subject.owner, (transfer) =>
      send({ fileName, transfer, bytes: zip(archiveOf(deps, subject)) }),
    );
  }
}

function pathOf(id: string): string {
  return `/exports/${id}`;
}
