import type { Transactions } from '../core/sql';
import type { MediaStore, OpenObject, RangeRequest } from '../storage/media-store';
import type { LinkHeaders } from '../storage/object-links';
import { damagedAvatar, deletedAvatar, reportDamage } from './avatar-damage';
import { avatarFileName, extensionOf } from './avatar-file-name';
import type { AvatarLink, AvatarLinks } from './avatar-links';
import type { AvatarRenditions, NamedSpec } from './avatar-renditions';
import type { AvatarUrls, AvatarUse } from './avatar-urls';
import type { AvatarVariant } from './avatar-variant';
import { avatarKey, previewKey, type AvatarEntity } from './avatar.entity';
import { findServed } from './avatar.repository';
import { renditionKey } from './rendition.entity';
import type { Rendition } from './rendition.repository';

/** An opened picture. */
export interface AvatarMedia {
  contentType: string;
  /** Changes when the bytes change. */
  etag: string;
  fileName: string;
  /** Whether browsers save the file instead of showing it. */
  isAttachment: boolean;
  open(range?: RangeRequest): Promise<OpenObject>;
  /** Where the client can read it instead; null: only here. Absent if all is read here. */
  link?: (headers: LinkHeaders) => Promise<AvatarLink | null>;
}

/** A stored file of an avatar. */
export interface StoredFile {
  readonly key: string;
  readonly contentType: string;
  /** Quoted by the ETag. */
  readonly version: string;
  /** Null if it is not known. */
  readonly byteSize: number | null;
  /** Null if it is stored with the avatar. */
  readonly rendition: Rendition | null;
}

export interface AvatarMediaDeps {
  database: Transactions;
  media: Pick<MediaStore, 'open'>;
  urls: AvatarUrls;
  renditions: AvatarRenditions;
  /** Null if all files are read through the gateway. */
  links: AvatarLinks | null;
}

/** Serves the pictures of stored avatars, in the sizes and formats of signed URLs. */
export class AvatarMediaService {
  constructor(private readonly deps: AvatarMediaDeps) {}

  /**
   * Finds the picture for a URL that {@link AvatarUrls} made; makes its rendition if it has none yet.
   * @param name - the name of the variant
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND if it has been deleted; SERVICE_UNAVAILABLE
   */
  async show(globalId: string, name: string, use: AvatarUse, query: URLSearchParams): Promise<AvatarMedia> {
    const { id, variant } = this.deps.urls.check(globalId, name, use, query);
    const avatar = await findServed(this.deps.database, id);
    if (!avatar) throw deletedAvatar();
    if (avatar.damagedAt !== null) throw damagedAvatar(avatar.dueAt !== null);
    const isAttachment = use === 'download';
    const file = await this.fileOf(avatar, variant);
    const { contentType } = file;
    const { links } = this.deps;
    return {
      contentType,
      etag: `"${file.version}"`,
      // The words of the prompt are only in the names of downloads, not in those of pictures that are shown.
      fileName: isAttachment
        ? avatarFileName({ ...avatar, contentType })
        : `${globalId}${suffixOf(name)}.${extensionOf(contentType)}`,
      isAttachment,
      open: (range) => this.open(avatar, file, range),
      ...(links && { link: (headers) => this.link(links, avatar, file, headers) }),
    };
  }

  /**
   * The file of a stored picture in a variant; makes its rendition if it has none yet.
   * @throws DomainError NOT_FOUND if it is deleted meanwhile, or damaged; SERVICE_UNAVAILABLE
   */
  async fileOf(avatar: AvatarEntity, variant: AvatarVariant): Promise<StoredFile> {
    const wanted = specOf(avatar, variant);
    if (!wanted) return storedWith(avatar, variant);
    const rendition = await this.deps.renditions.get(avatar, wanted);
    return {
      key: renditionKey(rendition),
      contentType: variant.contentType!,
      version: rendition.sha256.slice(0, 32),
      byteSize: rendition.byteSize,
      rendition,
    };
  }

  /**
   * Opens the file of a picture. If its bytes are missing or incomplete, a rendition is made again on the next demand, and a
   * stored picture is checked.
   * @throws DomainError NOT_FOUND if the avatar is deleted meanwhile; DamagedAvatarError; StorageUnavailableError
   */
  async open(avatar: AvatarEntity, file: StoredFile, range?: RangeRequest): Promise<OpenObject> {
    const { key, byteSize } = file;
    const object = await this.deps.media.open(key, range);
    if (object && (byteSize === null || object.byteSize === byteSize)) return object;
    object?.stream.destroy();
    throw await this.damageOf(avatar, file);
  }

  /** Like {@link open}, for a client that reads the file elsewhere. */
  private async link(
    links: AvatarLinks,
    avatar: AvatarEntity,
    file: StoredFile,
    headers: LinkHeaders,
  ): Promise<AvatarLink | null> {
    const link = await links.read(file.key, headers);
    if (link === null) return null;
    const size = await links.sizeOf(file.key);
    if (size !== null && (file.byteSize === null || size === file.byteSize)) return link;
    throw await this.damageOf(avatar, file);
  }

  private async damageOf(avatar: AvatarEntity, { rendition }: StoredFile): Promise<Error> {
    if (!rendition) return reportDamage(this.deps.database, avatar);
    await this.deps.renditions.forget(rendition);
    return damagedAvatar(true);
  }
}

/** The rendition to make for a variant; null if it is stored with the picture. */
function specOf(
  { contentType }: AvatarEntity,
  { name, source, ...variant }: AvatarVariant,
): NamedSpec | null {
  if (typeof source === 'string') return null;
  const isOriginal = name.startsWith('original.') && variant.contentType === contentType;
  return isOriginal ? null : { name, spec: source };
}

function suffixOf(name: string): string {
  const [stem] = name.split('.');
  return stem === 'original' ? '' : `-${stem}`;
}

function storedWith(avatar: AvatarEntity, variant: AvatarVariant): StoredFile {
  const version = avatar.sha256!.slice(0, 32);
  const contentType = variant.contentType ?? avatar.contentType!;
  return variant.source === 'PREVIEW'
    ? { key: previewKey(avatar), contentType, version: `${version}-preview`, byteSize: null, rendition: null }
    : { key: avatarKey(avatar), contentType, version, byteSize: avatar.byteSize, rendition: null };
}
