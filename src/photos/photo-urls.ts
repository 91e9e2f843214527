import { DomainError } from '../core/errors';
import { toGlobalId } from '../core/ids';
import type { Purpose, SignatureVerdict, UrlSigner } from '../core/signature';

/** How long the URL of an upload and that of a photo shown to its owner work, in milliseconds. */
export const photoUrlMs = 3_600_000;

/** One paid call: the model or generation it is made for, and which attempt of it. */
export interface PaidCall {
  /** The row's UUID. */
  jobId: string;
  attempt: number;
}

/**
 * Makes and checks the signed URLs of photos. Three kinds, none of which opens what another does:
 * - `PUT /uploads/<photo id>` takes the bytes of one photo
 * - `GET /media/photos/<photo id>.jpg` shows it to its owner
 * - `GET /upstream/photos/<job>/<attempt>/<photo>.jpg` hands it to the upstream, and tells which paid call asks
 */
export class PhotoUrls {
  /** @param publicUrl - gives the address that the world knows this server by, without a slash at the end */
  constructor(
    private readonly signer: UrlSigner,
    private readonly publicUrl: () => string,
  ) {}

  /** @param photoId - the row's UUID */
  upload(photoId: string, expiresAtMs: number): string {
    return this.signed('photo-upload', uploadPath(toGlobalId('Photo', photoId)), expiresAtMs);
  }

  /** @param photoId - the row's UUID */
  view(photoId: string, expiresAtMs: number): string {
    return this.signed('photo-view', viewPath(toGlobalId('Photo', photoId)), expiresAtMs);
  }

  /** @param photoId - the row's UUID */
  upstream(photoId: string, call: PaidCall, expiresAtMs: number): string {
    return this.signed('photo-upstream', upstreamPath(photoId, call), expiresAtMs);
  }

  /**
   * Checks the query of an upload's URL.
   * @throws DomainError INVALID_SIGNATURE or UPLOAD_URL_EXPIRED
   */
  checkUpload(globalId: string, query: URLSearchParams): void {
    const verdict = this.signer.verify('photo-upload', uploadPath(globalId), query);
    if (verdict === 'expired') {
      throw new DomainError(
        'UPLOAD_URL_EXPIRED',
        'This upload URL has expired. Ask createPhotoUploads for a new one and send the photo there.',
      );
    }
    if (verdict === 'invalid') throw invalidSignature();
  }

  /**
   * Checks the query of a URL that shows a photo.
   * @throws DomainError INVALID_SIGNATURE
   */
  checkView(globalId: string, query: URLSearchParams): void {
    if (this.signer.verify('photo-view', viewPath(globalId), query) !== 'valid') throw invalidSignature();
  }

  /**
   * Checks the query of an upstream's URL. An expired one was ours all the same, and says that a call arrived.
   * @throws DomainError INVALID_SIGNATURE
   */
  checkUpstream(
    photoId: string,
    call: PaidCall,
    query: URLSearchParams,
  ): Exclude<SignatureVerdict, 'invalid'> {
    const verdict = this.signer.verify('photo-upstream', upstreamPath(photoId, call), query);
    if (verdict === 'invalid') throw invalidSignature();
    return verdict;
  }

  private signed(purpose: Purpose, path: string, expiresAtMs: number): string {
    return `${this.publicUrl()}${path}?${this.signer.sign(purpose, path, expiresAtMs)}`;
  }
}

const uploadPath = (globalId: string): string => `/uploads/${globalId}`;
const viewPath = (globalId: string): string => `/media/photos/${globalId}.jpg`;
const upstreamPath = (photoId: string, { jobId, attempt }: PaidCall): string =>
  `/upstream/photos/${jobId}/${attempt}/${photoId}.jpg`;

function invalidSignature(): DomainError {
  return new DomainError(
    'INVALID_SIGNATURE',
    'This URL is not valid, or not any more. Use it exactly as it was given out, or ask for a new one.',
  );
}
