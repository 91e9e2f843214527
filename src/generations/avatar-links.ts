import type { MediaStore } from '../storage/media-store';
import type { LinkHeaders, ObjectLinks } from '../storage/object-links';

/** Where the file of an avatar can be read for some time. */
export interface AvatarLink {
  readonly url: string;
  /** For how long, in milliseconds. */
  readonly validMs: number;
}

/** Where clients read the files of avatars instead of the gateway. */
export interface AvatarLinks extends Pick<ObjectLinks, 'sizeOf'> {
  /** @returns null if the gateway must send the file itself */
  read(key: string, headers: LinkHeaders): Promise<AvatarLink | null>;
}

/** The settings of reads. */
export interface ReadSettings {
  readonly S3_READS: 'gateway' | 'presigned' | 'cdn';
  /** Given if that is `cdn`. */
  readonly S3_PUBLIC_URL?: string | undefined;
}

/** How long clients keep the address of a file at a CDN, in milliseconds. The address itself does not expire. */
const cdnLinkMs = 300_000;

/**
 * Reads through a CDN in front of the bucket. It cannot change the headers of answers, so downloads, which have a file name,
 * are sent by the gateway.
 * @param publicUrl - the URL of the bucket at the CDN
 */
function cdnLinks(publicUrl: string, store: Pick<ObjectLinks, 'sizeOf'>): AvatarLinks {
  const base = publicUrl.replace(/\/+$/, '');
  return {
    sizeOf: (key) => store.sizeOf(key),
    read: (key, { contentDisposition }) => {
      const isDownload = contentDisposition.startsWith('attachment');
      return Promise.resolve(isDownload ? null : { url: `${base}/${key}`, validMs: cdnLinkMs });
    },
  };
}

/** How clients read avatars without the gateway; null: they do not. */
export function avatarLinks(
  { S3_READS, S3_PUBLIC_URL = '' }: ReadSettings,
  { links }: Pick<MediaStore, 'links'>,
): AvatarLinks | null {
  if (S3_READS === 'gateway' || !links) return null;
  return S3_READS === 'cdn' ? cdnLinks(S3_PUBLIC_URL, links) : links;
}
