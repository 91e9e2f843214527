import type { Transfer } from '../../core/transfer';
import type { Exchange, Route } from '../router';
import { sendStream, type FileRequest } from './file-stream';

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

const disconnectMessage = 'the client disconnected during a download';
const disconnected = new Error('The client disconnected.');

async function sendGeneratedFile(
  exchange: Exchange,
  { contentType, fileName, bytes, transfer }: GeneratedFile,
): Promise<void> {
  exchange.response.writeHead(200, {
    'content-type': contentType,
    'content-disposition': `attachment; filename="${fileName}"`,
    'cache-control': 'private, no-store',
  });
  // The first bytes may take long.
  exchange.response.flushHeaders();
  // Also while the next bytes are made.
  const onClose = (): void => transfer.end(disconnected);
  exchange.response.once('close', onClose);
  try {
    await sendStream(exchange, timed(bytes, transfer), disconnectMessage, transfer.signal);
  } catch (error) {
    if (error !== disconnected) throw error;
    exchange.logger.debug(disconnectMessage);
  } finally {
    exchange.response.off('close', onClose);
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
