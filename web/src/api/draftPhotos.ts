import { type Client } from '@urql/core';
import { CreatePhotoUploadsDocument, PhotosDocument, type PhotoFieldsFragment } from '../graphql/operations';
import { type ApiError, offlineProblem, readProblem, type Problem } from './errors';
import { uploadPhoto, type UploadTarget } from './uploadPhoto';
import { reachableUrl } from './urls';

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

type Change = (key: string, part: Partial<DraftPhoto>) => void;

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

/** How many photos are sent at once. */
const maxConcurrent = 3;

/** Uploads photos, and reports each step. Never rejects: problems become the state of a photo. */
export async function sendPhotos(
  client: Client,
  photos: readonly DraftPhoto[],
  change: Change,
  maxFiles: number,
): Promise<void> {
  for (let start = 0; start < photos.length; start += maxFiles) {
    const batch = photos.slice(start, start + maxFiles);
    for (const { key } of batch) change(key, { state: 'sending', progress: 0, problem: null });
    const files = batch.map(({ file }) => describe(file!));
    const { data, error } = await client.mutation(CreatePhotoUploadsDocument, { files });
    const uploads = data?.createPhotoUploads?.uploads;
    if (!uploads) {
      const problem = error ? readProblem(error) : offlineProblem;
      for (const { key } of batch) change(key, failed(problem));
      continue;
    }
    const queue = batch.map((photo, index) => ({ photo, upload: uploads[index]! }));
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next; next = queue.shift())
        await sendPhoto(next.photo, next.upload, change);
    };
    await Promise.all(Array.from({ length: maxConcurrent }, work));
  }
}

const describe = ({
  name,
  type,
  size,
}: File): { filename: string; contentType: string; byteSize: number } => ({
  filename: name.slice(-200),
  contentType: type === '' ? 'application/octet-stream' : type,
  byteSize: size,
});

const failed = ({ message, advice, code }: Problem): Partial<DraftPhoto> => ({
  state: 'failed',
  problem: code === 'OFFLINE' ? 'It did not arrive: the connection was lost.' : `${message} ${advice ?? ''}`,
});

interface Upload extends UploadTarget {
  readonly photo: PhotoFieldsFragment;
  readonly problems: readonly { readonly message: string }[];
}

async function sendPhoto({ key, file }: DraftPhoto, upload: Upload, change: Change): Promise<void> {
  const { photo, problems } = upload;
  if (problems.length > 0) {
    change(key, { photoId: photo.id, state: 'unusable', problem: texts(problems) });
    return;
  }
  change(key, { photoId: photo.id });
  try {
    const checked = await uploadPhoto(file!, upload, (progress) =>
      change(key, progress < 1 ? { progress } : { progress, state: 'checking' }),
    );
    change(
      key,
      checked.status === 'READY'
        ? { state: 'ready', progress: 1 }
        : { state: 'unusable', problem: texts(checked.problems) },
    );
  } catch (error) {
    const { problem } = error as ApiError;
    const isUnusable = problem.code.startsWith('PHOTO_');
    change(key, isUnusable ? { state: 'unusable', problem: problem.message } : failed(problem));
  }
}

const texts = (problems: readonly { readonly message: string }[]): string =>
  problems.map(({ message }) => message).join(' ');

/** The photos with these ids that can still be used. */
export async function restorePhotos(client: Client, ids: readonly string[]): Promise<DraftPhoto[]> {
  if (ids.length === 0) return [];
  const { data } = await client.query(PhotosDocument, { ids: [...ids] }, { requestPolicy: 'network-only' });
  return (data?.nodes ?? []).flatMap((node): DraftPhoto[] =>
    node?.__typename === 'Photo' && node.status === 'READY'
      ? [
          {
            key: node.id,
            photoId: node.id,
            name: node.filename ?? 'Photo',
            file: null,
            previewUrl: node.url === null ? null : reachableUrl(node.url),
            state: 'ready',
            progress: 1,
            problem: null,
          },
        ]
      : [],
  );
}
