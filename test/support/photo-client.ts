import { request } from 'node:http';

/** The status and JSON of the response. */
export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** Uploads a photo. */
export async function put(url: string, bytes: Buffer): Promise<Answer> {
  const response = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

/** A PUT whose body the test writes; without a length unless given. */
export function putInPieces(
  url: string,
  length?: number,
): { write: (bytes: Buffer) => void; end: () => void; cut: () => void; answer: Promise<Answer> } {
  const sending = request(url, {
    method: 'PUT',
    headers: length === undefined ? {} : { 'content-length': length },
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    sending.on('error', reject).on('response', (response) => {
      const chunks: Buffer[] = [];
      response
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () =>
          resolve({
            status: response.statusCode!,
            body: JSON.parse(Buffer.concat(chunks).toString()) as Answer['body'],
          }),
        );
    });
  });
  return {
    write: (bytes) => void sending.write(bytes),
    end: () => sending.end(),
    cut: () => sending.destroy(),
    answer,
  };
}
