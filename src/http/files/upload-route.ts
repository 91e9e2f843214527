import { answerJson } from '../answers';
import { announcedSize, bodyChunks } from '../body';
import type { Exchange, Route } from '../exchange';

/** Bytes that a client sends to a signed address. */
export interface Upload {
  readonly photoId: string;
  /** Holds the signature. */
  readonly query: URLSearchParams;
  /** As announced, in bytes; null if it is not known before the end. What comes may not keep to it. */
  readonly byteSize: number | null;
  /** As announced; null if it was not. */
  readonly contentType: string | null;
  /** Read at most once. It may be left early: the client still gets its answer. */
  readonly bytes: AsyncIterable<Buffer>;
}

/**
 * Takes an upload. What must be refused without reading is thrown before `bytes` is touched: a client that asked first
 * (`Expect: 100-continue`) then sends nothing.
 * @returns 201 and the photo if it is new, 200 if this one was there already
 * @throws DomainError, answered with its status as `{ code, message }`
 */
export type ReceiveUpload = (upload: Upload) => Promise<{ status: 200 | 201; photo: object }>;

/** `PUT /uploads/:photoId?expires&signature`. */
export function uploadRoute(receive: ReceiveUpload): Route {
  return { methods: ['PUT'], path: '/uploads/:photoId', handle: (exchange) => take(exchange, receive) };
}

async function take(exchange: Exchange, receive: ReceiveUpload): Promise<void> {
  const { request, response, params, query } = exchange;
  const { status, photo } = await receive({
    photoId: params.photoId!,
    query,
    byteSize: announcedSize(request),
    contentType: request.headers['content-type'] ?? null,
    bytes: bodyChunks(exchange),
  });
  answerJson(response, status, photo);
}
