import { type Client } from '@urql/core';
import { DeletePhotoDocument } from '../graphql/operations';
import { newDraftPhoto, restorePhotos, sendPhotos, type DraftPhoto } from './draftPhotos';
import { onStoredElsewhere, readStored, store } from './storage';

const isSameFile = (one: File | null, other: File): boolean =>
  one !== null &&
  one.name === other.name &&
  one.size === other.size &&
  one.lastModified === other.lastModified;

/** The ids of photos that are uploaded and usable. */
export const readyIdsOf = (photos: readonly DraftPhoto[]): string[] =>
  photos.flatMap(({ state, photoId }) => (state === 'ready' && photoId !== null ? [photoId] : []));

/** The photos of the next training. They survive a reload, and are the same in all tabs. */
export class PhotoDraft {
  private photos: readonly DraftPhoto[] = [];
  private isRestored = false;
  private readonly listeners = new Set<() => void>();
  private readonly storageKey: string;

  constructor(
    private readonly client: Client,
    owner: string,
    private readonly maxFiles: number,
  ) {
    this.storageKey = `draft.${owner}`;
  }

  /** Restores the photos, and follows changes in other tabs. Returns a function that ends it. */
  start(): () => void {
    void this.restore();
    return onStoredElsewhere(this.storageKey, () => void this.restore());
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

  /** Forgets the photos after they have been used. */
  clear(): void {
    this.update([]);
  }

  private async restore(): Promise<void> {
    const ids = (readStored(this.storageKey) as string[] | null) ?? [];
    const known = new Set(this.photos.map(({ photoId }) => photoId));
    const restored = await restorePhotos(
      this.client,
      ids.filter((id) => !known.has(id)),
    );
    const kept = this.photos.filter(
      ({ photoId, state }) => !this.isRestored || state !== 'ready' || ids.includes(photoId ?? ''),
    );
    const isNew = ({ key }: DraftPhoto): boolean => !kept.some((photo) => photo.photoId === key);
    this.isRestored = true;
    this.update([...restored.filter(isNew), ...kept]);
  }

  private send(photos: readonly DraftPhoto[]): void {
    const change = (key: string, part: Partial<DraftPhoto>): void =>
      this.update(this.photos.map((photo) => (photo.key === key ? { ...photo, ...part } : photo)));
    void sendPhotos(this.client, photos, change, this.maxFiles);
  }

  private forget(key: string): void {
    const photo = this.find(key);
    if (photo?.file && photo.previewUrl !== null) URL.revokeObjectURL(photo.previewUrl);
    if (photo?.photoId == null) return;
    void this.client.mutation(DeletePhotoDocument, { id: photo.photoId }).toPromise();
  }

  private find(key: string): DraftPhoto | undefined {
    return this.photos.find((photo) => photo.key === key);
  }

  private update(photos: readonly DraftPhoto[]): void {
    const [before, after] = [readyIdsOf(this.photos), readyIdsOf(photos)];
    this.photos = photos;
    if (this.isRestored && before.join() !== after.join())
      store(this.storageKey, after.length === 0 ? null : after);
    for (const listener of this.listeners) listener();
  }
}
