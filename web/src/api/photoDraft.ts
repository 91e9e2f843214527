import { DeletePhotoDocument } from '../graphql/operations';
import { type Connection } from './connection';
import { newDraftPhoto, restorePhotos, sendPhotos, type DraftPhoto } from './draftPhotos';
import { ownerKeys } from './forgetOwner';
import { onStoredElsewhere, readStored, store } from './storage';

/** Before the photos are looked up again after a failure. */
const restoreRetryMs = 2_000;

const isSameFile = (one: File | null, other: File): boolean =>
  one !== null &&
  one.name === other.name &&
  one.size === other.size &&
  one.lastModified === other.lastModified;

/** The ids of photos that are uploaded and usable. */
export const readyIdsOf = (photos: readonly DraftPhoto[]): string[] =>
  photos.flatMap(({ state, photoId }) => (state === 'ready' && photoId !== null ? [photoId] : []));

/** Whether it is not on the server, and only this page has its bytes. */
const isUnsent = ({ file, state }: DraftPhoto): boolean => file !== null && state !== 'ready';

const isUploading = ({ state }: DraftPhoto): boolean => state === 'sending' || state === 'checking';

/** A photo that was deleted on the server: it can be sent again, or replaced where this page does not have its bytes. */
const withoutUpload = (photo: DraftPhoto): DraftPhoto => ({
  ...photo,
  photoId: null,
  state: photo.file === null ? 'unusable' : 'failed',
  problem: 'The server no longer has it.',
});

/** Lets the browser ask before a reload or the closing of the page, which would end the uploads. */
const askBeforeLeaving = (event: BeforeUnloadEvent): void => event.preventDefault();

/** The photos of the next training. They survive a reload, and are the same in all tabs. */
export class PhotoDraft {
  private photos: readonly DraftPhoto[] = [];
  private isRestored = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<() => void>();
  private uploads = new AbortController();
  private readonly storageKey: string;

  constructor(
    private readonly connection: Connection,
    owner: string,
  ) {
    this.storageKey = ownerKeys.draft(owner);
  }

  /** Restores the photos, and follows changes in other tabs. Returns a function that ends it. */
  start(): () => void {
    void this.restore();
    const stopFollowing = onStoredElsewhere(this.storageKey, () => void this.restore());
    return () => {
      clearTimeout(this.retryTimer);
      stopFollowing();
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  readonly read = (): readonly DraftPhoto[] => this.photos;

  /** Uploads files; those that are chosen already are left out. */
  add(files: readonly File[]): void {
    const added = files
      .filter((file) => !this.photos.some((photo) => isSameFile(photo.file, file)))
      .map(newDraftPhoto);
    this.update([...this.photos, ...added]);
    this.send(added);
  }

  /** Puts another file in the place of a photo. */
  replace(key: string, file: File): void {
    this.forget(key);
    const next = newDraftPhoto(file);
    this.update(this.photos.map((photo) => (photo.key === key ? next : photo)));
    this.send([next]);
  }

  /** Uploads a photo again after a lost connection. */
  retry(key: string): void {
    const photo = this.find(key);
    if (photo?.file) this.send([photo]);
  }

  remove(key: string): void {
    this.forget(key);
    this.update(this.photos.filter((photo) => photo.key !== key));
  }

  /** Marks photos that the server no longer has, such as those that were not used for a day. */
  async recheck(): Promise<void> {
    const ids = readyIdsOf(this.photos);
    const found = await restorePhotos(this.connection.client, ids);
    if (found === null || this.connection.isClosed()) return;
    const kept = new Set(found.map(({ key }) => key));
    const gone = new Set(ids.filter((id) => !kept.has(id)));
    this.update(this.photos.map((photo) => (gone.has(photo.photoId ?? '') ? withoutUpload(photo) : photo)));
  }

  /** Forgets the photos after they have been used. */
  clear(): void {
    this.update([]);
  }

  /** Ends the uploads and forgets the photos, because the data of their owner were erased. */
  discard(): void {
    this.uploads.abort();
    this.uploads = new AbortController();
    this.clear();
  }

  /** Takes over what is stored. Only the first time is the result stored, since another tab may still be adding. */
  private async restore(): Promise<void> {
    const known = new Set(this.photos.map(({ photoId }) => photoId));
    const unknown = this.readStoredIds().filter((id) => !known.has(id));
    const restored = await restorePhotos(this.connection.client, unknown);
    clearTimeout(this.retryTimer);
    if (this.connection.isClosed()) return;
    if (restored === null) {
      this.retryTimer = setTimeout(() => void this.restore(), restoreRetryMs);
      return;
    }
    const isFirst = !this.isRestored;
    const ids = isFirst ? [...readyIdsOf(this.photos), ...unknown] : this.readStoredIds();
    const kept = this.photos.filter(
      ({ photoId, state }) => state !== 'ready' || photoId === null || ids.includes(photoId),
    );
    const isNew = ({ key }: DraftPhoto): boolean =>
      ids.includes(key) && !kept.some(({ photoId }) => photoId === key);
    this.isRestored = true;
    this.update([...kept, ...restored.filter(isNew)], isFirst);
  }

  private readStoredIds(): string[] {
    return (readStored(this.storageKey) as string[] | null) ?? [];
  }

  private send(photos: readonly DraftPhoto[]): void {
    const change = (key: string, part: Partial<DraftPhoto>): void =>
      this.update(this.photos.map((photo) => (photo.key === key ? { ...photo, ...part } : photo)));
    void sendPhotos(this.connection, photos, { change, signal: this.uploads.signal });
  }

  private forget(key: string): void {
    const photo = this.find(key);
    if (photo?.file && photo.previewUrl !== null) URL.revokeObjectURL(photo.previewUrl);
    if (photo?.photoId == null) return;
    void this.connection.client.mutation(DeletePhotoDocument, { id: photo.photoId }).toPromise();
  }

  private find(key: string): DraftPhoto | undefined {
    return this.photos.find((photo) => photo.key === key);
  }

  private update(photos: readonly DraftPhoto[], isOwnChange = true): void {
    const [before, after] = [readyIdsOf(this.photos), readyIdsOf(photos)];
    this.photos = photos;
    (photos.some(isUploading) ? addEventListener : removeEventListener)('beforeunload', askBeforeLeaving);
    if (isOwnChange && this.isRestored && before.join() !== after.join())
      store(this.storageKey, after.length === 0 ? null : after);
    for (const listener of this.listeners) listener();
  }
}

/** The draft of the last visit. */
let last: { draft: PhotoDraft; connection: Connection; owner: string } | null = null;

/**
 * The draft for a visit of the page: that of the last one while some of its photos are not sent, otherwise a new one. If the
 * owner has signed in again meanwhile, such as after the key has expired, it sends these photos.
 */
export function draftOf(connection: Connection, owner: string): PhotoDraft {
  const unsent = last?.owner === owner ? last.draft.read().filter(isUnsent) : [];
  if (last?.connection === connection && unsent.length > 0) return last.draft;
  const draft = new PhotoDraft(connection, owner);
  last = { draft, connection, owner };
  draft.add(unsent.flatMap(({ file }) => file ?? []));
  return draft;
}

/** Forgets photos that are not sent, since the next person at this browser must not find them. */
export function forgetDraft(): void {
  last = null;
}
