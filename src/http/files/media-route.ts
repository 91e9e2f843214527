import type { IncomingHttpHeaders } from 'node:http';
import { DomainError } from '../../core/errors';
import type { ByteRange, OpenObject, RangeRequest } from '../../storage/media-store';
import type { LinkHeaders } from '../../storage/object-links';
import { sendJson, errorBody, type Headers } from '../responses';
import type { Exchange, Route } from '../router';
import { sendStream, type FileRequest } from './file-stream';

/** An image with its response headers. */
export interface MediaFile {
  readonly contentType: string;
  /** Quoted, changes with the content: `"<sha256>"`. */
  readonly etag: string;
  /** For example `private, max-age=3600, immutable`; must not exceed the validity of the URL. */
  readonly cacheControl: string;
  /** The file name for saving. Control characters and those that file systems do not allow are replaced by `_`. */
  readonly fileName: string;
  /** Whether browsers save the file instead of showing it.
   *  @defaultValue false */
  readonly isAttachment?: boolean;
  /**
   * Called once for each request, also for HEAD and 304. The stream is destroyed if it is not sent.
   * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, sent with its status
   */
  open(range?: RangeRequest): Promise<OpenObject>;
  /**
   * Where the client can read the image instead, for this time; null: only here. Called for a GET without a valid
   * If-None-Match, instead of `open`.
   * @throws DomainError as {@link open}
   */
  link?: (headers: LinkHeaders) => Promise<{ url: string; validMs: number } | null>;
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
  if (await redirect(exchange, file)) return;
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

/** Sends the client to where it can read the image. @returns whether there is such a place */
async function redirect({ request, response }: Exchange, file: MediaFile): Promise<boolean> {
  const isKnown = isUnchanged(request.headers['if-none-match'], file.etag);
  if (!file.link || request.method !== 'GET' || isKnown) return false;
  const headers = headersOf(file);
  const link = await file.link({
    contentType: file.contentType,
    contentDisposition: String(headers['content-disposition']),
    cacheControl: file.cacheControl,
  });
  if (link === null) return false;
  // The client must be able to begin before the place is closed.
  const maxAge = Math.max(0, Math.floor(link.validMs / 1_000) - redirectReserveS);
  response
    .writeHead(302, {
      location: link.url,
      'cache-control': `private, max-age=${maxAge}`,
      'content-length': 0,
      'cross-origin-resource-policy': 'cross-origin',
    })
    .end();
  return true;
}

/** How long before its end a redirect is not used any longer, in seconds. */
const redirectReserveS = 60;

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

function headersOf({ etag, cacheControl, fileName, isAttachment = false }: MediaFile): Headers {
  return {
    etag,
    'cache-control': cacheControl,
    'accept-ranges': 'bytes',
    'content-disposition': `${isAttachment ? 'attachment' : 'inline'}; ${nameParameters(fileName)}`,
    'content-security-policy': "sandbox; default-src 'none'",
    'cross-origin-resource-policy': 'cross-origin',
  };
}

/** The file name as parameters of Content-Disposition (RFC 6266): in ASCII, and in UTF-8 if it has other letters. */
function nameParameters(fileName: string): string {
  const name = fileName.replace(/[^\p{L}\p{M}\p{N}._-]/gu, '_');
  const ascii = `filename="${name.replace(/[^A-Za-z0-9._-]/gu, '_')}"`;
  return name === name.replace(/[^\0-\x7f]/gu, '')
    ? ascii
    : `${ascii}; filename*=UTF-8''${encodeURIComponent(name)}`;
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
