import type { UploadedPhoto } from './api.ts';
import { documents } from './documents.ts';
import { errorOf } from './error-classes.ts';
import { ConnectionFailedError, NoAnswerError, UnexpectedAnswerError, type LikenessError } from './errors.ts';
import { sendOperation, type Transport } from './http.ts';
import { link, pause } from './waiting.ts';

/** How often the server is asked whether it has checked a photo: less often each time; in milliseconds. */
const askMs = { first: 250, factor: 1.5, max: 3_000 } as const;

/** How long a check may take, in milliseconds: the server may have to wait for its bucket. */
const maxCheckMs = 600_000;

/** Whether a photo is uploaded to the bucket of the server, which checks it afterwards. */
export function isDirect(uploadUrl: string): boolean {
  return new URL(uploadUrl).searchParams.has('X-Amz-Signature');
}

/** @throws LikenessError unless the bucket has stored the file */
export function expectStored(status: number): void {
  if (status >= 200 && status < 300) return;
  if (status === 403) {
    throw errorOf(
      'The bucket refused the upload URL, which has expired or is no longer valid. Upload the photo again.',
      {
        code: 'UPLOAD_URL_EXPIRED',
      },
    );
  }
  const message = `The bucket answered the upload with status ${status}.`;
  throw status >= 500 || status === 429 || status === 408
    ? new ConnectionFailedError(message)
    : new UnexpectedAnswerError(message);
}

/**
 * Waits until the server has checked a photo that was uploaded to its bucket.
 * @returns the reason why it was refused; null if it was accepted
 * @throws LikenessError if the server does not answer or the photo was deleted; the reason of the signal
 */
export async function awaitCheck(
  transport: Transport,
  id: string,
  signal: AbortSignal | undefined,
): Promise<LikenessError | null> {
  const call = new AbortController();
  const unlink = link([signal, transport.closed], call);
  const endMs = Date.now() + maxCheckMs;
  try {
    for (let delayMs: number = askMs.first; ; delayMs = Math.min(askMs.max, delayMs * askMs.factor)) {
      await pause(delayMs, call.signal);
      const { photo } = await sendOperation(transport, documents.photo, { id }, { signal });
      if (photo === null || photo.status === 'PURGED')
        throw errorOf('The photo was deleted before it was checked.', { code: 'NOT_FOUND' });
      if (photo.status !== 'AWAITING_UPLOAD') return refusalOf(photo);
      if (Date.now() > endMs) throw new NoAnswerError(maxCheckMs);
    }
  } finally {
    unlink();
  }
}

/** The error with which the server itself refuses such a photo. */
function refusalOf({ status, problems }: UploadedPhoto): LikenessError | null {
  const [problem] = problems;
  if (status !== 'REJECTED' || !problem) return null;
  if (problem.code === 'PHOTO_TOO_LARGE') return errorOf(problem.message, { code: problem.code });
  const code = problem.code === 'UNSUPPORTED_TYPE' ? 'PHOTO_TYPE_UNSUPPORTED' : 'PHOTO_INVALID';
  return errorOf(problem.message, { code, problems });
}
