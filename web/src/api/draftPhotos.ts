import { type Client } from '@urql/core';
import { LikenessError, type UploadResult } from '../../../src/client/index.ts';
import { PhotosDocument } from '../graphql/operations';
import { type Connection } from './connection';
import { readProblem } from './errors';
import { withFormatNames } from './formats';
import { loadableUrl } from './urls';

/**
 * A photo of the next training.
 * - `sending`: `progress` of its bytes have been sent; `checking`: all have, and the server decodes it
 * - `ready`: usable; `unusable`: see `problem`, and replace it; `failed`: it did not arrive, and can be sent again
 */
export interface DraftPhoto {
  readonly key: string;
  /** Null until the server has given it an id. */
  readonly photoId: string | null;
  readonly name: string;
  /** Null if it was chosen before a reload and is no longer available. */
  readonly file: File | null;
  readonly previewUrl: string | null;
  readonly state: 'sending' | 'checking' | 'ready' | 'unusable' | 'failed';
  /** 0 to 1. */
  readonly progress: number;
  readonly problem: string | null;
}

let lastKey = 0;

export function newDraftPhoto(file: File): DraftPhoto {
  const previewUrl = URL.createObjectURL(file);
  const key = `file-${++lastKey}`;
  return {
    key,
    photoId: null,
    name: file.name,
    file,
    previewUrl,
    state: 'sending',
    progress: 0,
    problem: null,
  };
}

/** How {@link sendPhotos} reports each step, and what ends it. */
interface Sending {
  readonly change: (key: string, part: Partial<DraftPhoto>) => void;
  readonly signal: AbortSignal;
}

/** Uploads photos. Never rejects: problems become the state of a photo. */
export async function sendPhotos(
  { client, likeness }: Pick<Connection, 'client' | 'likeness'>,
  photos: readonly DraftPhoto[],
  { change, signal }: Sending,
): Promise<void> {
  const pending = new Set(photos.map(({ key }) => key));
  for (const key of pending) change(key, { state: 'sending', progress: 0, problem: null });
  const onResult = ({ photoId, error }: UploadResult, index: number): void => {
    const { key, file } = photos[index]!;
    pending.delete(key);
    change(key, error ? refused(error) : { photoId, state: 'ready', progress: 1 });
    if (photoId === null || isDisplayable(file!)) return;
    void restorePhotos(client, [photoId]).then((restored) => {
      if (restored?.[0]) change(key, { previewUrl: restored[0].previewUrl });
    });
  };
  try {
    await likeness.upload(
      photos.map(({ file }) => file!),
      {
        signal,
        onResult,
        onProgress: ({ index, sentBytes, byteSize }) =>
          change(photos[index]!.key, {
            state: sentBytes < byteSize ? 'sending' : 'checking',
            progress: sentBytes / byteSize,
          }),
      },
    );
  } catch (error) {
    for (const key of pending) change(key, refused(error));
  }
}

/** Whether browsers show it; of the others, the server has a JPEG. */
const isDisplayable = ({ type }: File): boolean => /^image\/(jpeg|png|webp|avif)$/.test(type);

function refused(error: unknown): Partial<DraftPhoto> {
  const { code, message, advice } = readProblem(error);
  const reasons = error instanceof LikenessError ? error.problems.map((problem) => problem.message) : [];
  if (code.startsWith('PHOTO_'))
    return { state: 'unusable', problem: withFormatNames(reasons.length > 0 ? reasons.join(' ') : message) };
  const problem =
    code === 'OFFLINE' ? 'It did not arrive: the connection was lost.' : `${message} ${advice ?? ''}`;
  return { state: 'failed', problem };
}

/** The photos with these ids that can still be used; null if the server did not say. */
export async function restorePhotos(client: Client, ids: readonly string[]): Promise<DraftPhoto[] | null> {
  if (ids.length === 0) return [];
  const { data } = await client.query(PhotosDocument, { ids: [...ids] }, { requestPolicy: 'network-only' });
  if (!data?.nodes) return null;
  return data.nodes.flatMap((node): DraftPhoto[] =>
    node?.__typename === 'Photo' && node.status === 'READY'
      ? [
          {
            key: node.id,
            photoId: node.id,
            name: node.filename ?? 'Photo',
            file: null,
            previewUrl: node.url === null ? null : loadableUrl(node.url),
            state: 'ready',
            progress: 1,
            problem: null,
          },
        ]
      : [],
  );
}
