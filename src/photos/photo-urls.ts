import { DomainError } from '../core/errors';
import { fromGlobalId, toGlobalId } from '../core/ids';
import type { Purpose, SignatureVerdict, UrlSigner } from '../core/signature';
import type { ObjectLinks } from '../storage/object-links';
import { uploadKey } from './photo.entity';

/** How long an upload URL and the URL of a photo for its owner are valid, in milliseconds. */
export const photoUrlMs = 3_600_000;

/** A paid call: its model or generation, and the number of the attempt. */
export interface PaidCall {
  /** The UUID of the model or generation. */
  jobId: string;
  attempt: number;
}

/**
 * Makes and verifies the signed URLs of photos, given by the row's UUID. A signature is valid for one kind only:
 * - `PUT /uploads/<photo id>` uploads the bytes of one photo
 * - `GET /media/photos/<photo id>.jpg` returns it to its owner
 * - `GET /upstream/photos/<job>/<attempt>/<photo>.jpg` returns it to the upstream, and identifies the paid call
 */
export class PhotoUrls {
  /**
   * @param publicUrl - returns the public base URL of this server, without a trailing slash
   * @param bucket - where clients upload photos; null: at the gateway
   */
  constructor(
    private readonly signer: UrlSigner,
    private readonly publicUrl: () => string,
    private readonly bucket: Pick<ObjectLinks, 'upload'> | null = null,
  ) {}

  /** Whether photos are uploaded to the bucket. */
  get isDirect(): boolean {
    return this.bucket !== null;
  }

  /** The URL for an upload of exactly `byteSize` bytes to the bucket, if {@link isDirect}. */
  directUpload(photoId: string, byteSize: number, expiresAtMs: number): Promise<string> {
    return this.bucket!.upload(uploadKey(photoId), byteSize, expiresAtMs);
  }

  upload(photoId: string, expiresAtMs: number): string {
    return this.signed('photo-upload', uploadPath(toGlobalId('Photo', photoId)), expiresAtMs);
  }

  view(photoId: string, expiresAtMs: number): string {
    return this.signed('photo-view', viewPath(toGlobalId('Photo', photoId)), expiresAtMs);
  }

  upstream(photoId: string, call: PaidCall, expiresAtMs: number): string {
    return this.signed('photo-upstream', upstreamPath(photoId, call), expiresAtMs);
  }

  /**
   * Verifies the query of an upload URL.
   * @returns the row's UUID
   * @throws DomainError INVALID_SIGNATURE or UPLOAD_URL_EXPIRED
   */
  checkUpload(globalId: string, query: URLSearchParams): string {
    const verdict = this.signer.verify('photo-upload', uploadPath(globalId), query);
    if (verdict === 'expired') {
      throw new DomainError(
        'UPLOAD_URL_EXPIRED',
        'This upload URL has expired. Call createPhotoUploads for a new one.',
      );
    }
    if (verdict === 'invalid') throw invalidSignature();
    return fromGlobalId('Photo', globalId);
  }

  /**
   * Verifies the query of a URL for the owner.
   * @returns the row's UUID
   * @throws DomainError INVALID_SIGNATURE
   */
  checkView(globalId: string, query: URLSearchParams): string {
    if (this.signer.verify('photo-view', viewPath(globalId), query) !== 'valid') throw invalidSignature();
    return fromGlobalId('Photo', globalId);
  }

  /** Verifies the query of a URL for the upstream. */
  checkUpstream(photoId: string, call: PaidCall, query: URLSearchParams): SignatureVerdict {
    return this.signer.verify('photo-upstream', upstreamPath(photoId, call), query);
  }

  private signed(purpose: Purpose, path: string, expiresAtMs: number): string {
    return `${this.publicUrl()}${path}?${this.signer.sign(purpose, path, expiresAtMs)}`;
  }
}

const uploadPath = (globalId: string): string => `/uploads/${globalId}`;
const viewPath = (globalId: string): string => `/media/photos/${globalId}.jpg`;
const upstreamPath = (photoId: string, { jobId, attempt }: PaidCall): string =>
  `/upstream/photos/${jobId}/${attempt}/${photoId}.jpg`;

/** The part of a path that only URLs of photos for the upstream have. */
const upstreamPrefix = '/upstream/photos/';

/** The call in a photo's path for the upstream, also if a proxy added, removed or encoded a part of the path. */
const paidCallPattern = /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\/|%2f)+(\d{1,9})(?:\/|%2f)/i;

/**
 * Reads the paid call from the path of a request that the server does not pass on.
 * @returns `unclear` for a photo's path that does not show the call, null for other paths
 */
export function readPaidCall(path: string): PaidCall | 'unclear' | null {
  const [, jobId, attempt] = paidCallPattern.exec(path) ?? [];
  if (jobId !== undefined) return { jobId: jobId.toLowerCase(), attempt: Number(attempt) };
  return path.includes(upstreamPrefix) ? 'unclear' : null;
}

/** The error for a URL whose signature does not match. */
export function invalidSignature(): DomainError {
  return new DomainError(
    'INVALID_SIGNATURE',
    'This URL is invalid or has expired. Use it unchanged, or query a new one.',
  );
}
