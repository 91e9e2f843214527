import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DomainError } from '../../core/errors';
import type { ByteRange } from '../../storage/media-store';
import { answerJson, refusalOf, type Headers } from '../answers';
import type { Exchange, Route } from '../exchange';
import { isUnchanged, readRange } from './byte-range';

/** A picture that may be shown. */
export interface MediaFile {
  readonly byteSize: number;
  readonly contentType: string;
  /** Changes with the bytes, in quotes: `"<sha256>"`. */
  readonly etag: string;
  /** `private, max-age=3600, immutable`; no longer than the address lives. */
  readonly cacheControl: string;
  /** What a browser calls it when it saves it: letters, digits, dots, hyphens. */
  readonly fileName: string;
  /** Called only if bytes are sent: not for HEAD, nor if the client has them already. Destroyed if the client leaves. */
  open(range?: ByteRange): Promise<Readable>;
}

/** Which picture is asked for. */
export interface MediaRequest {
  /** The parts of the path that the route names. */
  readonly params: Readonly<Record<string, string>>;
  /** Holds the signature. */
  readonly query: URLSearchParams;
}

/**
 * Finds a picture.
 * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, answered with its status
 */
export type FindMedia = (request: MediaRequest) => Promise<MediaFile>;

/**
 * Shows pictures under a path like `/media/avatars/:id/:variant`: whole or in ranges, and not again to those who have
 * them. The address is the permission, so pages of any origin may embed it.
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
    const { body } = refusalOf(new DomainError('INVALID_INPUT', `The picture has ${file.byteSize} bytes.`));
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
    // A client that leaves is not a fault; anything else cuts the answer off, which the caller logs.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    logger.debug('the client left in the middle of a picture');
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
