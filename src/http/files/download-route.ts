import { pipeline } from 'node:stream/promises';
import type { Transfer } from '../../core/transfers';
import type { Exchange, Route } from '../exchange';

/** A file that is generated while it is sent, so that its size is not known in advance. */
export interface Download {
  readonly contentType: string;
  /** The file name for saving: letters, digits, dots, hyphens. */
  readonly fileName: string;
  /** Read as fast as the client receives it. An error aborts the response. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Aborts the download if the client is too slow. */
  readonly transfer: Transfer;
}

/** The request for a file. */
export interface DownloadRequest {
  /** The named parts of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Contains the signature. */
  readonly query: URLSearchParams;
}

/**
 * Passes a file to `send`, which resolves when the client has received it completely.
 * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, sent with its status
 */
export type ServeDownload = (
  request: DownloadRequest,
  send: (download: Download) => Promise<void>,
) => Promise<void>;

/** Sends generated files under a path like `/exports/:id`. Responses are not cacheable. */
export function downloadRoute(path: string, serve: ServeDownload): Route {
  const handle = (exchange: Exchange): Promise<void> => {
    const { params, query } = exchange;
    return serve({ params, query }, (download) => send(exchange, download));
  };
  return { methods: ['GET'], path, handle };
}

async function send(
  { response, logger }: Exchange,
  { contentType, fileName, bytes, transfer }: Download,
): Promise<void> {
  response.writeHead(200, {
    'content-type': contentType,
    'content-disposition': `attachment; filename="${fileName}"`,
    'cache-control': 'private, no-store',
  });
  try {
    await pipeline(timed(bytes, transfer), response, { signal: transfer.signal });
  } catch (error) {
    if (transfer.signal.aborted) throw transfer.signal.reason;
    // A client that disconnects is not an error; any other error aborts the response and is logged by the caller.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    logger.debug('the client disconnected during a download');
  }
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
