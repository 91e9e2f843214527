import { S3ServiceException } from '@aws-sdk/client-s3';

/** The HTTP status of an answer with an error; undefined for other errors. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** The result of a call; null if the bucket answered 404. An answer to HEAD does not say what is missing. */
export function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  return unless(404, work);
}

/** The result of a call; null if the store has no such operation. */
export function unlessUnsupported<T>(work: Promise<T>): Promise<T | null> {
  return unless(501, work);
}

async function unless<T>(status: number, work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (statusOf(error) === status) return null;
    throw error;
  }
}

/** @throws the error of a HEAD, with its status if it is an answer: that has no reason, and its message would be `UnknownError` */
export function withStatus(error: unknown): never {
  const status = statusOf(error);
  throw status === undefined
    ? error
    : new Error(`The bucket answered HEAD with status ${status}.`, { cause: error });
}

/**
 * Whether the bucket answered that it has no such object. Another 404 is no statement about the object: the bucket is missing,
 * or a proxy or another server answered.
 */
export function isNoObject(error: unknown): boolean {
  return statusOf(error) === 404 && (error as S3ServiceException).name === 'NoSuchKey';
}
