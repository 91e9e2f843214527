import { pipeline } from 'node:stream/promises';
import type { Transfer } from '../../core/transfers';
import type { Exchange, Route } from '../exchange';

/** A file whose size nobody knows before its end. */
export interface Download {
  readonly contentType: string;
  /** What a browser calls it when it saves it: letters, digits, dots, hyphens. */
  readonly fileName: string;
  /** Read as fast as the client takes it. What it throws cuts the answer off. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Cuts off a client that takes the bytes too slowly. */
  readonly transfer: Transfer;
}

/** Which file is asked for. */
export interface DownloadRequest {
  /** The parts of the path that the route names. */
  readonly params: Readonly<Record<string, string>>;
  /** Holds the signature. */
  readonly query: URLSearchParams;
}

/**
 * Hands a file to `send`, which returns when the client has it all.
 * @throws DomainError NOT_FOUND, INVALID_SIGNATURE, …, answered with its status
 */
export type ServeDownload = (
  request: DownloadRequest,
  send: (download: Download) => Promise<void>,
) => Promise<void>;

/** Gives files that are made while they are sent, under a path like `/exports/:id`. Nobody keeps them on the way. */
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
    // A client that leaves is not a fault; anything else cuts the answer off, which the caller logs.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    logger.debug('the client left in the middle of a download');
  }
}

/** Hands the bytes on. Until it is asked for more, and after the last ones until the end, it is the client's turn. */
async function* timed(bytes: AsyncIterable<Uint8Array>, transfer: Transfer): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    transfer.beginWait();
    yield chunk;
    transfer.endWait();
    transfer.count(chunk.length);
  }
  transfer.beginWait();
}
