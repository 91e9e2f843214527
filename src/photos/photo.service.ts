import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { invalidToken } from '../auth/client-token-errors';
import { isLiveToken, takeUploads } from '../auth/client-token.repository';
import { DomainError, notFound, type ErrorCode, type InputProblem } from '../core/errors';
import { newId, toGlobalId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import { OwnedList } from '../core/owned-list';
import type { WithoutTurn } from '../core/owner-turns';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { pictureRules } from '../images/photo-image';
import type { MediaDeletion } from '../storage/media-deletion';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { MediaStore, OpenObject, RangeRequest } from '../storage/media-store';
import { endOfUrl, findWithUrl } from './deleted-uploads';
import { findPhotosPurgedAt, jobsOf, lockGenerationsUsing, makeJobsDue } from './job-photo.repository';
import { openPhoto } from './open-photo';
import type { PhotoProblemCode } from './photo-problem';
import { photoUrlMs, type PhotoUrls } from './photo-urls';
import { keysOf, type PhotoBytes, type PhotoEntity } from './photo.entity';
import {
  countUnused,
  deletePhoto,
  findAvailable,
  findPhotos,
  insertSlots,
  photoTable,
  photosOfModels,
  type NewSlot,
  type PhotoFilter,
  unusedPhotoMs,
  unusedSlotMs,
} from './photo.repository';

/** The limits of photos that are the same on all servers. */
export const photoRules = {
  ...pictureRules,
  contentTypes: [
    'image/jpeg',
    'image/png',
    'image/webp',
    'image/avif',
    'image/heic',
    'image/heif',
  ] as readonly string[],
  /** Maximum number of files per call: the maximum number of photos of a training. */
  maxFiles: 30,
  maxFilenameLength: 255,
  /** Maximum number of photos per owner that no training uses. */
  maxUnused: 1_000,
} as const;

const { contentTypes, maxFiles, maxFilenameLength, maxUnused } = photoRules;

/** A photo to be uploaded, as described by the client. */
export interface PhotoFile {
  filename: string;
  contentType: string;
  byteSize: number;
}

/** An upload slot. */
export interface PhotoUpload {
  photo: PhotoEntity;
  /** What is wrong with the description of the file. */
  problems: readonly InputProblem[];
  /** The URL for a PUT of the bytes. */
  uploadUrl: string;
  headers: { name: string; value: string }[];
  expiresAt: Date;
}

export interface UploadOptions {
  /** Maximum size of an uploaded photo, in bytes. */
  readonly maxByteSize: number;
  /** Called AFTER slots for uploads to the bucket are committed: their files must be looked for. */
  readonly onDirect: () => void;
}

/** Operations on photos for their owners. Photos of other owners are treated as not existing. */
export class PhotoService {
  /** Lists of photos. */
  readonly list: OwnedList<PhotoEntity, PhotoFilter>;

  constructor(
    private readonly database: Transactions,
    private readonly media: MediaStore,
    private readonly deletion: MediaDeletion,
    private readonly urls: PhotoUrls,
    private readonly uploads: UploadOptions,
  ) {
    this.list = new OwnedList(database, photoTable);
  }

  /** Maximum size of an uploaded photo, in bytes. */
  get maxByteSize(): number {
    return this.uploads.maxByteSize;
  }

  /**
   * Creates an upload slot for each file, in the order of the files. A file whose description is invalid has a REJECTED
   * photo; another file may be sent to its URL. Filenames are metadata only.
   * @throws DomainError INVALID_INPUT for the number of files; QUOTA_EXCEEDED; StorageUnavailableError if the bucket cannot be
   * signed for
   */
  async createUploads(viewer: Viewer, files: readonly PhotoFile[]): Promise<PhotoUpload[]> {
    const { database, urls, maxByteSize } = this;
    checkFileCount(files);
    await this.checkUnused(viewer, files.length);
    const described = files.map((file, index) => {
      const field = `input.files[${index}]`;
      const problems = problemsOf(file, field, maxByteSize);
      const slot = slotOf(file, problems, field);
      return { file, problems, slot: { ...slot, isDirect: urls.isDirect && problems.length === 0 } };
    });
    const slots = described.map(({ slot }) => slot);
    const expiresAt = new Date(Date.now() + photoUrlMs);
    // Before the slots count, since this may fail.
    const uploadUrls = await Promise.all(
      described.map(async ({ file: { byteSize }, slot: { id, isDirect } }) =>
        isDirect
          ? urls.directUpload(id, byteSize, expiresAt.getTime())
          : urls.upload(id, expiresAt.getTime()),
      ),
    );
    const rows = await writeTransaction(database, viewer, async (sql) => {
      await countTokenUploads(sql, viewer, slots.length);
      return insertSlots(sql, viewer.owner, slots);
    });
    if (urls.isDirect) this.uploads.onDirect();
    const photos = new Map(rows.map((photo) => [photo.id, photo]));
    return described.map(({ file: { contentType }, problems, slot: { id } }, index) => ({
      photo: photos.get(id)!,
      problems,
      uploadUrl: uploadUrls[index]!,
      // The type of another file for a rejected photo is not known.
      headers: contentTypes.includes(contentType) ? [{ name: 'Content-Type', value: contentType }] : [],
      expiresAt,
    }));
  }

  /** @returns null if the id is null, or if it does not exist or belongs to another owner */
  async find(viewer: Viewer, id: string | null): Promise<PhotoEntity | null> {
    const [photo] = id === null ? [] : await this.findMany(viewer, [id]);
    return photo ?? null;
  }

  /** The viewer's photos with the given ids, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(PhotoEntity | null)[]> {
    return findPhotos(this.database, owner, ids);
  }

  /** The photos of each model, in the given order, of any owner. For loaders below a row whose owner was checked. */
  ofModels({ owner }: Viewer, modelIds: readonly string[]): Promise<PhotoEntity[][]> {
    return photosOfModels(this.database, owner, modelIds);
  }

  /** When the first photo of each of the viewer's models was or will be purged, in the order of the ids; one statement. */
  purgeTimes({ owner }: Viewer, modelIds: readonly string[]): Promise<(Date | null)[]> {
    return findPhotosPurgedAt(this.database, owner, modelIds);
  }

  /** A signed URL of the photo for its owner, valid for an hour; null unless the photo is READY. */
  viewUrl(photo: Pick<PhotoEntity, 'id' | 'status'>): string | null {
    return photo.status === 'READY' ? this.urls.view(photo.id, Date.now() + photoUrlMs) : null;
  }

  /**
   * Opens the photo, a JPEG, for a URL made by {@link viewUrl}.
   * @param photoId - the global id in the URL
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND if the photo is deleted or purged
   */
  async openForViewer(photoId: string, query: URLSearchParams, range?: RangeRequest): Promise<OpenObject> {
    const id = this.urls.checkView(photoId, query);
    const photo = await findAvailable(this.database, id);
    const object = photo?.status === 'READY' ? await openPhoto(this.media, photo, range) : null;
    if (!object) throw notFound('photo');
    return object;
  }

  /**
   * Deletes the photo and its bytes. A training that uses it fails unless it has been submitted. Returns the same
   * answer for a deleted photo and for another owner's.
   * @param withoutTurn - runs the requests to the store. \@defaultValue they are only made
   */
  async delete(viewer: Viewer, id: string, withoutTurn?: WithoutTurn): Promise<void> {
    const { database, deletion } = this;
    const deleted = await writeTransaction(database, viewer, (sql) => deleteRow(sql, viewer, id));
    if (deleted === null) return;
    await deletion.deleteNow(keysOf(deleted.photo), withoutTurn);
    await makeJobsDue(database, deleted.waiting);
  }

  private async checkUnused({ owner }: Viewer, more: number): Promise<void> {
    const { database, urls } = this;
    // UUIDs are ordered by time, so that older photos, which are purged, are not scanned.
    const oldest = newId(Date.now() - unusedPhotoMs - unusedSlotMs);
    const unused = await countUnused(database, owner, oldest);
    const deleted = urls.isDirect ? await findWithUrl(database, owner) : [];
    const given = unused + deleted.length;
    if (given + more <= maxUnused) return;
    throw new DomainError(
      'QUOTA_EXCEEDED',
      deleted.length === 0
        ? `You have ${given} photos that no model uses; the maximum is ${maxUnused}. Train with them or delete some. Unused photos are deleted within a day.`
        : `You have ${unused} photos that no model uses, and ${deleted.length} deleted ones that count until their upload URLs end; the maximum is ${maxUnused}. The first of these URLs ends at ${endOfUrl(deleted[0]!)}. Train with photos, or wait.`,
      { details: { given, maximum: maxUnused } },
    );
  }
}

/** @returns the photo and the jobs that may wait for it, or null if the viewer has no such photo */
async function deleteRow(
  sql: Sql,
  viewer: Viewer,
  id: string,
): Promise<{ photo: PhotoBytes; waiting: string[] } | null> {
  // The deletion updates the photo's generations. They are locked first, as at the end of a generation, which locks
  // its row and then its photo's, to prevent deadlocks.
  await lockGenerationsUsing(sql, viewer.owner, id);
  const waiting = await jobsOf(sql, id);
  const photo = await deletePhoto(sql, viewer.owner, id);
  if (photo === null) return null;
  await scheduleDeletion(sql, keysOf(photo));
  const subject = toGlobalId('Photo', id);
  await audit(sql, viewer, {
    action: 'deletePhoto',
    subject,
    details: photo.isOfModel ? { isOfModel: true } : {},
  });
  return { photo, waiting };
}

/** Rejected photos count too, because another file may be sent to their URLs. */
async function countTokenUploads(sql: Sql, { clientToken }: Viewer, count: number): Promise<void> {
  if (!clientToken || (await takeUploads(sql, clientToken.id, count))) return;
  if (!(await isLiveToken(sql, clientToken.id))) throw invalidToken();
  throw new DomainError(
    'QUOTA_EXCEEDED',
    `Your client token may not upload ${count} more photos (maxUploads). Send fewer files, or get a token that may.`,
    { details: { given: count } },
  );
}

function checkFileCount({ length: given }: readonly PhotoFile[]): void {
  if (given >= 1 && given <= maxFiles) return;
  throw new DomainError('INVALID_INPUT', `Send 1 to ${maxFiles} files; ${given} were given.`, {
    field: 'input.files',
    details: { given, minimum: 1, maximum: maxFiles },
  });
}

/** What is wrong with the description of a file; the actual type is checked when the bytes arrive. */
function problemsOf(
  { filename, contentType, byteSize }: PhotoFile,
  field: string,
  maxBytes: number,
): readonly InputProblem[] {
  const problems = new ProblemCollector();
  problems.check(() => checkFilename(filename, `${field}.filename`));
  problems.check(() => checkContentType(contentType, `${field}.contentType`));
  problems.check(() => checkByteSize(byteSize, `${field}.byteSize`, maxBytes));
  return problems.all;
}

function checkFilename(filename: string, field: string): void {
  if (filename !== '' && filename.length <= maxFilenameLength && !/\p{Cc}/u.test(filename)) return;
  throw new DomainError(
    'INVALID_INPUT',
    `A filename must have 1 to ${maxFilenameLength} characters and no control characters.`,
    { field },
  );
}

function checkContentType(contentType: string, field: string): void {
  if (contentTypes.includes(contentType)) return;
  throw new DomainError(
    'PHOTO_TYPE_UNSUPPORTED',
    `Photos must be ${contentTypes.join(', ')}. Convert the photo to one of these types.`,
    { field },
  );
}

function checkByteSize(byteSize: number, field: string, maxBytes: number): void {
  if (!(byteSize >= 1))
    throw new DomainError('INVALID_INPUT', 'A photo must have at least 1 byte.', { field });
  if (byteSize > maxBytes) throw photoTooLarge(maxBytes, { field, byteSize });
}

/** The code in `Photo.problems` for the code of an error about the description of a file. */
const photoCodes: Partial<Record<ErrorCode, PhotoProblemCode>> = {
  PHOTO_TYPE_UNSUPPORTED: 'UNSUPPORTED_TYPE',
  PHOTO_TOO_LARGE: 'PHOTO_TOO_LARGE',
};

function slotOf(
  { filename }: PhotoFile,
  problems: readonly InputProblem[],
  field: string,
): Omit<NewSlot, 'isDirect'> {
  return {
    id: newId(),
    filename: problems.some((problem) => problem.field === `${field}.filename`) ? null : filename,
    problems: problems.map(({ code, message }) => ({ code: photoCodes[code] ?? 'INVALID_FILE', message })),
  };
}

/** A photo exceeds the maximum size, by its announced or its actual bytes. */
export function photoTooLarge(maxBytes: number, given?: { field: string; byteSize: number }): DomainError {
  return new DomainError(
    'PHOTO_TOO_LARGE',
    `The photo is larger than ${Number((maxBytes / 1_000_000).toPrecision(3))} MB. Send a smaller copy of it.`,
    { field: given?.field, details: { maximum: maxBytes, given: given?.byteSize } },
  );
}
