import { LRUCache } from 'lru-cache';
import { DomainError } from '../core/errors';
import { fromGlobalId, toGlobalId } from '../core/ids';
import type { UrlSigner } from '../core/signature';
import {
  readVariant,
  variantOf,
  type AvatarSize,
  type AvatarVariant,
  type ImageFormat,
} from './avatar-variant';

/**
 * The minimum validity of an avatar's URL. It is rounded up to the full hour, so that browsers can cache the
 * picture.
 */
const urlMs = 3_600_000;

/** Maximum number of signed paths that are kept, of about 400 bytes each. */
const maxSignedPaths = 20_000;

/** What a URL is for: to show the picture, or to save it as a file. */
export type AvatarUse = 'view' | 'download';

/**
 * Makes and verifies the signed URLs of avatars, given by the row's UUID: `GET /media/avatars/<avatar id>/<variant>`, and
 * the same with `/download`.
 */
export class AvatarUrls {
  /** Signed paths of pictures, which stay the same for an hour. */
  private readonly signedPaths = new LRUCache<string, string>({ max: maxSignedPaths });

  /** @param publicUrl - returns the public base URL of this server, without a trailing slash */
  constructor(
    private readonly signer: UrlSigner,
    private readonly publicUrl: () => string,
  ) {}

  /** A signed URL of the picture, valid for one to two hours for any holder. */
  view(id: string, size: AvatarSize, format: ImageFormat | null, nowMs = Date.now()): string {
    return this.urlOf(id, variantOf(size, format).name, 'view', nowMs);
  }

  /** Like {@link view}, for a URL with which browsers save the picture. */
  download(id: string, size: AvatarSize, format: ImageFormat | null, nowMs = Date.now()): string {
    return this.urlOf(id, variantOf(size, format).name, 'download', nowMs);
  }

  /**
   * Verifies the path and the query of a URL.
   * @param name - the name of the variant
   * @returns the row's UUID and the variant
   * @throws DomainError NOT_FOUND for an unknown variant, INVALID_SIGNATURE
   */
  check(
    globalId: string,
    name: string,
    use: AvatarUse,
    query: URLSearchParams,
  ): { id: string; variant: AvatarVariant } {
    const variant = readVariant(name);
    if (!variant)
      throw new DomainError(
        'NOT_FOUND',
        'There is no such size or format of avatars. Query the avatar for a URL.',
      );
    if (this.signer.verify('avatar-view', pathOf(globalId, name, use), query) === 'valid')
      return { id: fromGlobalId('Avatar', globalId), variant };
    throw new DomainError(
      'INVALID_SIGNATURE',
      'This URL is invalid or has expired. Query the avatar again for a new URL.',
    );
  }

  private urlOf(id: string, name: string, use: AvatarUse, nowMs: number): string {
    const expiresAtMs = (Math.floor(nowMs / urlMs) + 2) * urlMs;
    const key = `${expiresAtMs} ${use} ${name} ${id}`;
    let path = this.signedPaths.get(key);
    if (path === undefined) {
      path = this.sign(pathOf(toGlobalId('Avatar', id), name, use), expiresAtMs);
      this.signedPaths.set(key, path);
    }
    return `${this.publicUrl()}${path}`;
  }

  private sign(path: string, expiresAtMs: number): string {
    return `${path}?${this.signer.sign('avatar-view', path, expiresAtMs)}`;
  }
}

function pathOf(globalId: string, name: string, use: AvatarUse): string {
  return `/media/avatars/${globalId}/${name}${use === 'download' ? '/download' : ''}`;
}
