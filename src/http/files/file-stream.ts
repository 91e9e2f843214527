import { pipeline } from 'node:stream/promises';
import { codeOf } from '../../core/errors';
import type { Exchange } from '../router';

/** The request for a file. */
export interface FileRequest {
  /** The named parts of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Contains the signature. */
  readonly query: URLSearchParams;
}

/**
 * Sends bytes as fast as the client receives them. A client that disconnects is only logged; any other error is thrown,
 * which aborts the response.
 * @throws the reason of `signal` if it is aborted
 */
export async function sendStream(
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
