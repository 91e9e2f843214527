import { LRUCache } from 'lru-cache';
import { DomainError } from '../core/errors';
import { fromGlobalId, toGlobalId } from '../core/ids';
import type { UrlSigner } from '../core/signature';

/** The original picture, or a JPEG of at most 256 pixels. */
export type AvatarSize = 'ORIGINAL' | 'PREVIEW';

/**
 * The minimum validity of an avatar's URL. It is rounded up to the full hour, so that browsers can cache the
 * picture.
 */
const urlMs = 3_600_000;

/** Maximum number of signed paths that are kept, of about 400 bytes each. */
const maxSignedPaths = 20_000;

/** Makes and verifies the signed URLs of avatars, given by the row's UUID: `GET /media/avatars/<avatar id>/<size>`. */
export class AvatarUrls {
  /** Signed paths of pictures, which stay the same for an hour. */
  private readonly signedPaths = new LRUCache<string, string>({ max: maxSignedPaths });

  /** @param publicUrl - returns the public base URL of this server, without a trailing slash */
  constructor(
    private readonly signer: UrlSigner,
    private readonly publicUrl: () => string,
  ) {}

  /** A signed URL of the picture, valid for one to two hours for any holder. */
  view(id: string, size: AvatarSize, nowMs = Date.now()): string {
    const expiresAtMs = (Math.floor(nowMs / urlMs) + 2) * urlMs;
    const key = `${expiresAtMs} ${size} ${id}`;
    let path = this.signedPaths.get(key);
    if (path === undefined) {
      path = this.sign(id, size, expiresAtMs);
      this.signedPaths.set(key, path);
    }
    return `${this.publicUrl()}${path}`;
  }

  /**
   * Verifies the query of a URL.
   * @returns the row's UUID
   * @throws DomainError INVALID_SIGNATURE
   */
  checkView(globalId: string, size: AvatarSize, query: URLSearchParams): string {
    if (this.signer.verify('avatar-view', pathOf(globalId, size), query) === 'valid')
      return fromGlobalId('Avatar', globalId);
    throw new DomainError(
      'INVALID_SIGNATURE',
      'This URL is invalid or has expired. Query the avatar again for a new URL.',
    );
  }

  private sign(id: string, size: AvatarSize, expiresAtMs: number): string {
    const path = pathOf(toGlobalId('Avatar', id), size);
    return `${path}?${this.signer.sign('avatar-view', path, expiresAtMs)}`;
  }
}

function pathOf(globalId: string, size: AvatarSize): string {
  return `/media/avatars/${globalId}/${size.toLowerCase()}`;
}
