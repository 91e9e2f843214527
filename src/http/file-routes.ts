import type { IncomingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { codeOf, DomainError } from '../core/errors';
import type { Transfer } from '../core/transfer-slots';
import type { ByteRange, OpenObject, RangeRequest } from '../storage/media-store';
import { announcedSize, bodyChunks } from './body';
import { sendJson, errorBody, type Headers } from './responses';
import type { Exchange, Route } from './router';

/** The request for a file. */
export interface FileRequest {
  /** The named parts of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Contains the signature. */
  readonly query: URLSearchParams;
}

/** An image with its response headers. */
export interface MediaFile {
  readonly contentType: string;
  /** Quoted, changes with the content: `"<sha256>"`. */
  readonly etag: string;
  /** For example `private, max-age=3600, immutable`; must not exceed the validity of the URL. */
  readonly cacheControl: string;
  /** The file name for saving: letters, digits, dots, hyphens. */
  readonly fileName: string;
  /**
   * Called once for each request, also for HEAD and 304. The stream is destroyed if it is not sent.
   * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, sent with its status
   */
  open(range?: RangeRequest): Promise<OpenObject>;
}

/**
 * Finds an image.
 * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, sent with its status
 */
export type FindMedia = (request: FileRequest) => Promise<MediaFile> | MediaFile;

/**
 * Sends images under a path like `/media/avatars/:id/:variant`, with byte ranges and conditional requests. The signed URL
 * is the permission, so pages of any origin may embed it.
 */
export function mediaRoute(path: string, find: FindMedia): Route {
  return { methods: ['GET', 'HEAD'], path, handle: (exchange) => sendMedia(exchange, find) };
}

async function sendMedia(exchange: Exchange, find: FindMedia): Promise<void> {
  const { request, response, params, query } = exchange;
  const file = await find({ params, query });
  const range = request.method === 'GET' ? readRange(request.headers, file.etag) : undefined;
  const object = await file.open(range);
  try {
    if (isUnchanged(request.headers['if-none-match'], file.etag)) {
      response.writeHead(304, headersOf(file)).end();
    } else if (range && !object.part) {
      const error = new DomainError('INVALID_INPUT', `The image has ${object.byteSize} bytes.`);
      sendJson(response, 416, errorBody(error), { 'content-range': `bytes */${object.byteSize}` });
    } else {
      await sendObject(exchange, file, object, range && object.part);
    }
  } finally {
    object.stream.destroy();
  }
}

async function sendObject(
  exchange: Exchange,
  file: MediaFile,
  { byteSize, stream }: OpenObject,
  part?: ByteRange | null,
): Promise<void> {
  const { request, response } = exchange;
  response.writeHead(part ? 206 : 200, {
    ...headersOf(file),
    'content-type': file.contentType,
    'content-length': part ? part.end - part.start + 1 : byteSize,
    ...(part && { 'content-range': `bytes ${part.start}-${part.end}/${byteSize}` }),
  });
  if (request.method === 'HEAD') response.end();
  else await sendStream(exchange, stream, 'the client disconnected during an image download');
}

function headersOf({ etag, cacheControl, fileName }: MediaFile): Headers {
  return {
    etag,
    'cache-control': cacheControl,
    'accept-ranges': 'bytes',
    'content-disposition': `inline; filename="${fileName.replace(/[^A-Za-z0-9._-]/g, '_')}"`,
    'content-security-policy': "sandbox; default-src 'none'",
    'cross-origin-resource-policy': 'cross-origin',
  };
}

/**
 * The range requested by the headers Range and If-Range (RFC 9110).
 * @returns undefined for the whole file: no header, not a single byte range, or the file has changed
 */
function readRange(headers: IncomingHttpHeaders, etag: string): RangeRequest | undefined {
  const { range, 'if-range': ifRange = etag } = headers;
  return range === undefined || ifRange !== etag ? undefined : parseRange(range.trim());
}

function parseRange(text: string): RangeRequest | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text);
  if (!match) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  if (first === '') return last === '' ? undefined : { suffix: Number(last) };
  const range = { start: Number(first), end: last === '' ? Infinity : Number(last) };
  return range.end < range.start ? undefined : range;
}

/** Whether an If-None-Match header matches the ETag; weak comparison. */
function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes('*') || known.includes(etag.replace(/^W\//, ''));
}

/** A file that is generated while it is sent, so that its size is not known in advance. */
export interface GeneratedFile {
  readonly contentType: string;
  /** The file name for saving: letters, digits, dots, hyphens. */
  readonly fileName: string;
  /** Read as fast as the client receives it. An error aborts the response. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Aborts the download if the client is too slow. */
  readonly transfer: Transfer;
}

/**
 * Passes a file to `send`, which resolves when the client has received it completely.
 * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, sent with its status
 */
export type ServeGeneratedFile = (
  request: FileRequest,
  send: (file: GeneratedFile) => Promise<void>,
) => Promise<void>;

/** Sends generated files under a path like `/exports/:id`. Responses are not cacheable. */
export function generatedFileRoute(path: string, serve: ServeGeneratedFile): Route {
  const handle = (exchange: Exchange): Promise<void> => {
    const { params, query } = exchange;
    return serve({ params, query }, (file) => sendGeneratedFile(exchange, file));
  };
  return { methods: ['GET'], path, handle };
}

async function sendGeneratedFile(
  exchange: Exchange,
  { contentType, fileName, bytes, transfer }: GeneratedFile,
): Promise<void> {
  exchange.response.writeHead(200, {
    'content-type': contentType,
    'content-disposition': `attachment; filename="${fileName}"`,
    'cache-control': 'private, no-store',
  });
  await sendStream(
    exchange,
    timed(bytes, transfer),
    'the client disconnected during a download',
    transfer.signal,
  );
}

/** Passes the bytes on and counts the time until the next read, and after the last chunk, against the client. */
async function* timed(bytes: AsyncIterable<Uint8Array>, transfer: Transfer): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    transfer.beginWait();
    yield chunk;
    transfer.endWait();
    transfer.count(chunk.length);
  }
  transfer.beginWait();
}

/**
 * Sends bytes as fast as the client receives them. A client that disconnects is only logged; any other error is thrown,
 * which aborts the response.
 * @throws the reason of `signal` if it is aborted
 */
async function sendStream(
  { response, logger }: Exchange,
  bytes: AsyncIterable<Uint8Array>,
  disconnectMessage: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await pipeline(bytes, response, { signal });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (codeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    logger.debug(disconnectMessage);
  }
}

/** An upload to a signed URL. */
export interface Upload {
  readonly photoId: string;
  /** Contains the signature. */
  readonly query: URLSearchParams;
  /** The announced size in bytes; null if unknown. The actual size may differ. */
  readonly byteSize: number | null;
  /** The announced type; null if absent. */
  readonly contentType: string | null;
  /** Can be read once. Reading may stop early; the client still receives a response. */
  readonly bytes: AsyncIterable<Buffer>;
}

/**
 * Receives an upload. Errors that do not depend on the content must be thrown before `bytes` is read, so that a client
 * with `Expect: 100-continue` does not send the body.
 * @returns 201 and the photo if it is new, 200 if it was already uploaded
 * @throws DomainError, sent with its status as `{ code, message }`
 */
export type ReceiveUpload = (upload: Upload) => Promise<{ status: 200 | 201; photo: object }>;

/** `PUT /uploads/:photoId?expires&signature`. */
export function uploadRoute(receive: ReceiveUpload): Route {
  const handle = async (exchange: Exchange): Promise<void> => {
    const { request, response, params, query } = exchange;
    const { status, photo } = await receive({
      photoId: params.photoId!,
      query,
      byteSize: announcedSize(request),
      contentType: request.headers['content-type'] ?? null,
      bytes: bodyChunks(exchange),
    });
    sendJson(response, status, photo);
  };
  return { methods: ['PUT'], path: '/uploads/:photoId', handle };
}
