import type { Transactions } from '../core/sql';
import type { MediaStore, OpenObject, RangeRequest } from '../storage/media-store';
import { damagedAvatar, deletedAvatar, reportDamage } from './avatar-damage';
import { avatarFileName, extensionOf } from './avatar-file-name';
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
    return {
      contentType,
      etag: `"${file.version}"`,
      // The words of the prompt are only in the names of downloads, not in those of pictures that are shown.
      fileName: isAttachment
        ? avatarFileName({ ...avatar, contentType })
        : `${globalId}${suffixOf(name)}.${extensionOf(contentType)}`,
      isAttachment,
      open: (range) => this.open(avatar, file, range),
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
  async open(
    avatar: AvatarEntity,
    { key, byteSize, rendition }: StoredFile,
    range?: RangeRequest,
  ): Promise<OpenObject> {
    const { media, renditions, database } = this.deps;
    const object = await media.open(key, range);
    if (object && (byteSize === null || object.byteSize === byteSize)) return object;
    object?.stream.destroy();
    if (rendition) await renditions.forget(rendition);
    throw rendition ? damagedAvatar(true) : await reportDamage(database, avatar);
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
