import { type PhotoProblemCode, type PhotoStatus } from '../graphql/operations';
import { ApiError, offlineProblem, problemOf } from './errors';
import { reachableUrl } from './urls';

/** A photo as the upload route answers it. */
export interface CheckedPhoto {
  readonly id: string;
  readonly status: PhotoStatus;
  readonly problems: readonly { readonly code: PhotoProblemCode; readonly message: string }[];
}

export interface UploadTarget {
  readonly uploadUrl: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/**
 * Sends a photo. The answer comes when it has been checked.
 * @param onProgress - called with the part that has been sent, 0 to 1
 * @throws ApiError if it was refused, with the code of the server, or no answer came
 */
export function uploadPhoto(
  file: File,
  { uploadUrl, headers }: UploadTarget,
  onProgress: (part: number) => void,
): Promise<CheckedPhoto> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', reachableUrl(uploadUrl));
    for (const { name, value } of headers) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total);
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status < 300 && answer) resolve(answer as CheckedPhoto);
      else reject(refusal(answer));
    };
    request.onerror = () => reject(new ApiError(offlineProblem));
    request.ontimeout = request.onerror;
    request.timeout = 300_000;
    request.send(file);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refusal(answer: unknown): ApiError {
  const { code = 'INTERNAL_SERVER_ERROR', message = 'The photo could not be uploaded.' } = (answer ?? {}) as {
    code?: string;
    message?: string;
  };
  return new ApiError(problemOf(code, message));
}
