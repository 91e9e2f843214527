import { announcedSize, bodyChunks } from '../body';
import { sendJson } from '../responses';
import type { Exchange, Route } from '../router';

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
