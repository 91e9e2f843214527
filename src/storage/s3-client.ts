import { S3Client } from '@aws-sdk/client-s3';

/** Where pictures are stored. */
export interface S3Options {
  readonly bucket: string;
  /** The URL of a compatible store. @defaultValue that of AWS for the region */
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** @defaultValue those of the machine's role, or of the AWS_… variables */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Whether the bucket is in the path instead of the host name. */
  readonly forcePathStyle: boolean;
  /** How long a connection, an answer, or a silent one may take, in milliseconds. @defaultValue 15 seconds */
  readonly timeoutMs?: number;
  /** The minimum age of unfinished uploads to be removed, in milliseconds. @defaultValue an hour, longer than any upload */
  readonly staleUploadMs?: number;
}

/** More than uploads and downloads together: a slow one must not make others wait for a connection. */
const maxConnections = 2_000;

/** A client for calls with these time limits, in milliseconds, which reuses its connections. */
export function s3Client(
  { endpoint, region, credentials, forcePathStyle, timeoutMs }: S3Options & { readonly timeoutMs: number },
  timeouts: { socketTimeout: number } | { requestTimeout: number; throwOnRequestTimeout: true },
): S3Client {
  return new S3Client({
    region,
    forcePathStyle,
    maxAttempts: 2,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    // Some compatible stores do not know the checksums that AWS adds.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: timeoutMs,
      httpAgent: { keepAlive: true, maxSockets: maxConnections },
      httpsAgent: { keepAlive: true, maxSockets: maxConnections },
      ...timeouts,
    },
  });
}
