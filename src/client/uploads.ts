import type { PhotoUpload } from './api.ts';
import { awaitCheck, expectStored, isDirect } from './direct-uploads.ts';
import { documents } from './documents.ts';
import { errorOf } from './error-classes.ts';
import { LikenessError, PhotoUnreadableError, UnexpectedAnswerError, type Extensions } from './errors.ts';
import { connectionFailed, parseJson, sendOperation, untilAnswered, type Transport } from './http.ts';
import { reachableUrl } from './reachable-url.ts';

/** A file with a name: a `File` of an input element, or `new File([bytes], name, { type })`. */
export type UploadFile = Blob & { readonly name: string };

/** What became of a file. */
export type UploadResult =
  | { file: UploadFile; photoId: string; error: null }
  /** A refused photo, with each reason in `error.problems`; or a photo that could not be sent. */
  | { file: UploadFile; photoId: null; error: LikenessError };

/** How many bytes have been sent. A repeated upload starts at 0 again; a photo that is refused before counts as sent. */
export interface UploadProgress {
  /** The place of the file in `files`. */
  index: number;
  sentBytes: number;
  byteSize: number;
  /** Of all files. */
  totalSentBytes: number;
  totalByteSize: number;
}

/** Options of `upload`. */
export interface UploadOptions {
  onProgress?: (progress: UploadProgress) => void;
  /** Called as soon as a file has been checked. */
  onResult?: (result: UploadResult, index: number) => void;
  /** Ends the upload, which rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Of one call of `createPhotoUploads`. */
const maxFilesPerCall = 30;
const maxConcurrentUploads = 4;

/**
 * Uploads photos, and returns the result of each, in the order of the files.
 * @throws LikenessError if no photo can be uploaded, for example UnauthenticatedError; the reason of the signal
 */
export async function uploadPhotos(
  transport: Transport,
  files: readonly UploadFile[],
  options: UploadOptions,
): Promise<UploadResult[]> {
  const report = progressOf(files, options.onProgress);
  const slots = await createSlots(transport, files, options.signal);
  const results: UploadResult[] = [];
  const pending = slots.map((slot, index) => ({ slot, index, file: files[index]! }));
  const work = async (): Promise<void> => {
    for (let next = pending.shift(); next; next = pending.shift()) {
      const { slot, index, file } = next;
      const error = await send(transport, slot, file, { ...options, report: report(index) });
      const result = error ? { file, photoId: null, error } : { file, photoId: slot.photo.id, error: null };
      results[index] = result;
      options.onResult?.(result, index);
    }
  };
  await Promise.all(Array.from({ length: maxConcurrentUploads }, work));
  return results;
}

/** The type, by the name if the browser does not know it: many do not know HEIC. The server checks the bytes. */
function typeOf({ name, type }: UploadFile): string {
  const [, end = ''] = /\.(jpe?g|png|webp|avif|hei[cf])$/i.exec(name) ?? [];
  return type === '' && end !== '' ? `image/${end.toLowerCase().replace('jpg', 'jpeg')}` : type;
}

async function createSlots(
  transport: Transport,
  files: readonly UploadFile[],
  signal: AbortSignal | undefined,
): Promise<PhotoUpload[]> {
  const slots: PhotoUpload[] = [];
  for (let first = 0; first < files.length; first += maxFilesPerCall) {
    const batch = files
      .slice(first, first + maxFilesPerCall)
      .map((file) => ({ filename: file.name, contentType: typeOf(file), byteSize: file.size }));
    // A repeated call leaves unused slots, which are free and deleted later.
    const call = { signal, isRepeatable: true };
    const data = await sendOperation(transport, documents.createPhotoUploads, { files: batch }, call);
    slots.push(...data.payload.uploads);
  }
  return slots;
}

type Report = (sentBytes: number) => void;

function progressOf(
  files: readonly UploadFile[],
  onProgress: UploadOptions['onProgress'],
): (index: number) => Report {
  const sent = files.map(() => 0);
  const totalByteSize = files.reduce((sum, { size }) => sum + size, 0);
  return (index) => (sentBytes) => {
    sent[index] = sentBytes;
    const totalSentBytes = sent.reduce((sum, bytes) => sum + bytes, 0);
    onProgress?.({ index, sentBytes, byteSize: files[index]!.size, totalSentBytes, totalByteSize });
  };
}

/** @returns the error of this file; null if it was accepted */
async function send(
  transport: Transport,
  { photo, uploadUrl, headers, problems: [problem] }: PhotoUpload,
  file: UploadFile,
  { signal, report }: { signal?: AbortSignal | undefined; report: Report },
): Promise<LikenessError | null> {
  if (problem) {
    // Nothing of it is to be sent.
    report(file.size);
    return errorOf(problem.message, { ...problem });
  }
  const isToBucket = isDirect(uploadUrl);
  try {
    // The time limit is one without progress, since a slow connection may need minutes for a photo.
    await untilAnswered(transport, { signal }, async (limit, restart) => {
      const request: UploadRequest = {
        url: isToBucket ? uploadUrl : reachableUrl(uploadUrl, transport.url),
        headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])),
        file,
        signal: limit,
        onSent: (bytes) => {
          restart();
          report(bytes);
        },
      };
      request.onSent(0);
      limit.throwIfAborted();
      const { status, text } = await put(transport, request);
      if (isToBucket) {
        expectStored(status);
        return;
      }
      const json = parseJson(status, text) as Partial<Extensions>;
      if (status === 200 || status === 201) return;
      if (json.code !== undefined) throw errorOf(String(json.message), { ...json, code: json.code });
      throw new UnexpectedAnswerError(`The upload was answered with status ${status}.`);
    });
    return isToBucket ? await awaitCheck(transport, photo.id, signal) : null;
  } catch (error) {
    if (error instanceof LikenessError && error.code !== 'CLIENT_CLOSED') return error;
    throw error;
  }
}

interface UploadRequest {
  url: string;
  headers: Record<string, string>;
  file: UploadFile;
  signal: AbortSignal;
  onSent: Report;
}

interface UploadAnswer {
  status: number;
  text: string;
}

/** @throws ConnectionFailedError; PhotoUnreadableError, since a file that cannot be read looks like a lost connection */
async function put(transport: Transport, request: UploadRequest): Promise<UploadAnswer> {
  try {
    return await (xhrClass ? putByXhr(request) : putByFetch(transport, request));
  } catch (error) {
    const firstByte = request.file.slice(0, 1).arrayBuffer();
    await firstByte.catch((cause: unknown) => {
      throw new PhotoUnreadableError({ cause });
    });
    throw error;
  }
}

/** The part of XMLHttpRequest that is used: in browsers, `fetch` has no progress of uploads. */
interface Xhr {
  upload: { onprogress: ((event: { loaded: number }) => void) | null };
  onload: (() => void) | null;
  onerror: (() => void) | null;
  status: number;
  responseText: string;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  send(body: Blob): void;
  abort(): void;
}
const xhrClass = (globalThis as unknown as { XMLHttpRequest?: new () => Xhr }).XMLHttpRequest;

function putByXhr({ url, headers, file, signal, onSent }: UploadRequest): Promise<UploadAnswer> {
  return new Promise((resolve, reject) => {
    const request = new xhrClass!();
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => reject(connectionFailed(url, new Error('the connection failed')));
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.send(file);
  });
}

async function putByFetch(
  transport: Transport,
  { url, headers, file, signal, onSent }: UploadRequest,
): Promise<UploadAnswer> {
  let sent = 0;
  const counted = file.stream().pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk);
        onSent((sent += chunk.length));
      },
    }),
  );
  try {
    // Buckets require the length, which a stream does not have. Node requires `duplex` for streams; types of browsers lack it.
    const sized = { ...headers, 'content-length': String(file.size) };
    const init = { method: 'PUT', headers: sized, body: counted, signal, duplex: 'half' };
    const response = await transport.fetch(url, init as RequestInit);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw signal.aborted ? error : connectionFailed(url, error);
  }
}
