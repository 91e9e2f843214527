import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DomainError } from '../../core/errors';
import type { ByteRange } from '../../storage/media-store';
import { answerJson, refusalOf, type Headers } from '../answers';
import type { Exchange, Route } from '../exchange';
import { isUnchanged, readRange } from './byte-range';

/** An image with its response headers. */
export interface MediaFile {
  readonly byteSize: number;
  readonly contentType: string;
  /** Quoted, changes with the content: `"<sha256>"`. */
  readonly etag: string;
  /** For example `private, max-age=3600, immutable`; must not exceed the validity of the URL. */
  readonly cacheControl: string;
  /** The file name for saving: letters, digits, dots, hyphens. */
  readonly fileName: string;
  /** Called only if bytes are sent: not for HEAD or 304. The stream is destroyed if the client disconnects. */
  open(range?: ByteRange): Promise<Readable>;
}

/** The request for an image. */
export interface MediaRequest {
  /** The named parts of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Contains the signature. */
  readonly query: URLSearchParams;
}

/**
 * Finds an image.
 * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, sent with its status
 */
export type FindMedia = (request: MediaRequest) => Promise<MediaFile>;

/**
 * Sends images under a path like `/media/avatars/:id/:variant`, with byte ranges and conditional requests. The signed URL
 * is the permission, so pages of any origin may embed it.
 */
export function mediaRoute(path: string, find: FindMedia): Route {
  return { methods: ['GET', 'HEAD'], path, handle: (exchange) => show(exchange, find) };
}

async function show(exchange: Exchange, find: FindMedia): Promise<void> {
  const { request, response, params, query } = exchange;
  const file = await find({ params, query });
  const headers = headersOf(file);
  if (isUnchanged(request.headers['if-none-match'], file.etag)) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = request.method === 'GET' ? readRange(request.headers, file) : null;
  if (range === 'unsatisfiable') {
    const { body } = refusalOf(new DomainError('INVALID_INPUT', `The image has ${file.byteSize} bytes.`));
    answerJson(response, 416, body, { 'content-range': `bytes */${file.byteSize}` });
    return;
  }
  await send(exchange, file, range, headers);
}

async function send(
  { request, response, logger }: Exchange,
  file: MediaFile,
  range: ByteRange | null,
  headers: Headers,
): Promise<void> {
  const length = range ? range.end - range.start + 1 : file.byteSize;
  const status = range ? 206 : 200;
  const entity: Headers = {
    ...headers,
    'content-type': file.contentType,
    'content-length': length,
    ...(range && { 'content-range': `bytes ${range.start}-${range.end}/${file.byteSize}` }),
  };
  if (request.method === 'HEAD') {
    response.writeHead(status, entity).end();
    return;
  }
  const bytes = await file.open(range ?? undefined);
  response.writeHead(status, entity);
  try {
    await pipeline(bytes, response);
  } catch (error) {
    // A client that disconnects is not an error; any other error aborts the response and is logged by the caller.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    logger.debug('the client disconnected during an image download');
  }
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
