import { createHash, createHmac } from 'node:crypto';
import type { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';

/** The part of a prepared request that is signed. */
interface PreparedRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Readonly<Record<string, string | readonly string[] | null>>;
}

export interface PresignOptions {
  /** The time from which the URL is valid, in Unix milliseconds. */
  signedAtMs: number;
  /** How long it is valid, in milliseconds; at most a week. */
  validMs: number;
  /** A header that the request must have, with this value: the size of an upload. */
  contentLength?: number;
}

/**
 * Makes the URL with which anyone can send this request (Signature Version 4 in the query). It ends earlier if the credentials
 * are temporary and end earlier.
 * @throws the SDK's error if there are no credentials
 */
export async function presign(
  client: S3Client,
  command: GetObjectCommand,
  { signedAtMs, validMs, contentLength }: PresignOptions,
): Promise<string> {
  const { method, protocol, hostname, port, path, query = {} } = await prepare(client, command);
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
  const region = await client.config.region();
  const time = new Date(signedAtMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const headers = {
    ...(contentLength !== undefined && { 'content-length': String(contentLength) }),
    host,
  };
  const names = Object.keys(headers).join(';');
  const parameters = queryOf({
    ...query,
    'X-Amz-Algorithm': algorithm,
    'X-Amz-Content-Sha256': unsignedPayload,
    'X-Amz-Credential': `${accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(Math.floor(validMs / 1_000)),
    ...(sessionToken !== undefined && { 'X-Amz-Security-Token': sessionToken }),
    'X-Amz-SignedHeaders': names,
  });
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const request = [method, path, parameters, lines.join(''), names, unsignedPayload].join('\n');
  const text = [algorithm, time, scope, createHash('sha256').update(request).digest('hex')].join('\n');
  const key = scope.split('/').reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, text).toString('hex');
  return `${protocol}//${host}${path}?${parameters}&X-Amz-Signature=${signature}`;
}

const algorithm = 'AWS4-HMAC-SHA256';
const unsignedPayload = 'UNSIGNED-PAYLOAD';

/** Lets the SDK make the request, with the address of the bucket, and does not send it. */
async function prepare(client: S3Client, command: GetObjectCommand): Promise<PreparedRequest> {
  let prepared: PreparedRequest | undefined;
  command.middlewareStack.add(
    () => (step) => {
      prepared = step.request as PreparedRequest;
      return Promise.resolve({ response: {}, output: { $metadata: {} } });
    },
    { step: 'build', priority: 'low', name: 'prepareOnly' },
  );
  await client.send(command);
  return prepared!;
}

function queryOf(parameters: NonNullable<PreparedRequest['query']>): string {
  return Object.entries(parameters)
    .filter(([name]) => name !== 'x-id')
    .map(([name, value]) => `${encode(name)}=${encode(String(value ?? ''))}`)
    .sort()
    .join('&');
}

/** As Signature Version 4 demands: all but unreserved characters are encoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
