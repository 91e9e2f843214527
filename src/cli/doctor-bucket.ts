import type { Config } from '../config';
import type { S3Store } from '../storage/s3-store';
import { examineCdn, type CdnVerdict } from '../upstream/cdn-check';
import { finding, answerOf, type Finding } from './doctor-finding';

const timeoutMs = 10_000;

/** No file is uploaded. */
const exampleKey = 'uploads/00000000-0000-7000-8000-000000000000';

/** Checks that the bucket keeps neither what is deleted nor what was not completed, that pages can upload to it if they have to, and that a CDN keeps photos private. */
export async function checkBucketAccess(store: S3Store, config: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (await store.keepsDeleted()) {
    findings.push(
      finding(
        'bucket versions',
        'warn',
        'the bucket keeps versions of deleted photos and pictures',
        'Delete noncurrent versions by a lifecycle rule, after no more days than your privacy policy states.',
      ),
    );
  }
  findings.push(...(await checkUnfinished(store)));
  if (config.S3_UPLOADS === 'direct') findings.push(...(await checkCors(store, config)));
  if (config.S3_PUBLIC_URL !== undefined) findings.push(await checkCdn(store, config.S3_PUBLIC_URL));
  return findings;
}

/** Checks both permissions that the removal of unfinished uploads needs. */
async function checkUnfinished(store: S3Store): Promise<Finding[]> {
  const needed = [
    ['s3:ListBucketMultipartUploads', 'of killed processes', () => store.checkUnfinished()],
    ['s3:AbortMultipartUpload', 'that have failed', () => store.checkAbort()],
  ] as const;
  const findings: Finding[] = [];
  for (const [permission, whose, check] of needed) {
    const refusal = await check().catch((error: unknown) => ({ error }));
    if (!refusal) continue;
    const detail = `unfinished uploads ${whose} stay in the bucket: ${answerOf(refusal.error)}`;
    findings.push(finding('unfinished uploads', 'warn', detail, `Allow ${permission} for the bucket.`));
  }
  return findings;
}

async function checkCdn(store: S3Store, publicUrl: string): Promise<Finding> {
  const check = 'CDN';
  const verdicts = await examineCdn(publicUrl, store, new AbortController().signal);
  const prefixes = (verdict: CdnVerdict): string[] =>
    [...verdicts.keys()].filter((prefix) => verdicts.get(prefix) === verdict);
  const readable = prefixes('readable');
  if (readable.length > 0) {
    return finding(
      check,
      'fail',
      `anyone who knows the id of a photo can read it: S3_PUBLIC_URL serves ${readable.join(' and ')}`,
      'Let the CDN serve avatars/ and renditions/ only, and purge its copies of other objects.',
    );
  }
  if (prefixes('unknown').length > 0) {
    const cure =
      'Check that S3_PUBLIC_URL is the address of the CDN, that it serves avatars/, and that this machine can reach it.';
    return finding(check, 'warn', 'it is not known whether S3_PUBLIC_URL serves photos', cure);
  }
  return finding(check, 'ok', 'S3_PUBLIC_URL does not serve photos');
}

/** Sends the preflight request that a browser sends before an upload, for each origin of pages. */
async function checkCors(store: S3Store, config: Config): Promise<Finding[]> {
  const { PUBLIC_URL, CORS_ORIGINS, HOST, PORT } = config;
  const own = PUBLIC_URL === undefined ? `http://${HOST}:${PORT}` : new URL(PUBLIC_URL).origin;
  const url = await store.links.upload(exampleKey, 1, Date.now() + timeoutMs);
  const refused: string[] = [];
  for (const origin of new Set([own, ...CORS_ORIGINS])) {
    if (!(await allowsUpload(url, origin))) refused.push(origin);
  }
  const check = 'bucket CORS';
  if (refused.length === 0) return [finding(check, 'ok', 'pages may upload photos to the bucket')];
  const cure = 'Allow PUT with the header Content-Type for these origins in the CORS rules of the bucket.';
  return [finding(check, 'warn', `pages of ${refused.join(', ')} cannot upload to the bucket`, cure)];
}

async function allowsUpload(url: string, origin: string): Promise<boolean> {
  const { ok, headers } = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type',
    },
    signal: AbortSignal.timeout(timeoutMs),
  });
  const allows = (name: string, value: string): boolean =>
    (headers.get(`access-control-allow-${name}`) ?? '')
      .split(',')
      .some((each) => ['*', value.toLowerCase()].includes(each.trim().toLowerCase()));
  return ok && allows('origin', origin) && allows('methods', 'PUT') && allows('headers', 'content-type');
}
