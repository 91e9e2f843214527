import { pipeline } from 'node:stream/promises';
import { DomainError } from '../../core/errors';
import type { ByteRange, OpenObject, RangeRequest } from '../../storage/media-store';
import { answerJson, refusalOf, type Headers } from '../answers';
import type { Exchange, Route } from '../exchange';
import { isUnchanged, readRange } from './byte-range';

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
export type FindMedia = (request: MediaRequest) => Promise<MediaFile> | MediaFile;

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
  const range = request.method === 'GET' ? readRange(request.headers, file.etag) : undefined;
  const object = await file.open(range);
  try {
    if (isUnchanged(request.headers['if-none-match'], file.etag)) {
      response.writeHead(304, headersOf(file)).end();
    } else if (range && !object.part) {
      const { body } = refusalOf(new DomainError('INVALID_INPUT', `The image has ${object.byteSize} bytes.`));
      answerJson(response, 416, body, { 'content-range': `bytes */${object.byteSize}` });
    } else {
      await send(exchange, file, object, range && object.part);
    }
  } finally {
    object.stream.destroy();
  }
}

async function send(
  { request, response, logger }: Exchange,
  file: MediaFile,
  { byteSize, stream }: OpenObject,
  part?: ByteRange | null,
): Promise<void> {
  response.writeHead(part ? 206 : 200, {
    ...headersOf(file),
    'content-type': file.contentType,
    'content-length': part ? part.end - part.start + 1 : byteSize,
    ...(part && { 'content-range': `bytes ${part.start}-${part.end}/${byteSize}` }),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  try {
    await pipeline(stream, response);
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
