import { access, constants, stat, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../config';
import { createLogger } from '../core/logger';
import { DiskStore } from '../storage/disk-store';
import { openBucket } from '../storage/open-store';
import { PicsartProvider } from '../upstream/picsart/picsart-provider';
import { checkBucketAccess } from './doctor-bucket';
import { clockFinding, finding, answerOf, type Finding } from './doctor-finding';

/** Free space, in bytes. */
const minFree = { warn: 5e9, fail: 2e8 };
const timeoutMs = 10_000;

/** Checks that the folders can be written, and the free space of their disk. */
export async function checkFolders({ DATA_DIR }: Config): Promise<Finding[]> {
  const dataDir = resolve(DATA_DIR);
  const elsewhere = 'Set DATA_DIR to a folder that this user can write.';
  try {
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as { code?: string };
    return code === 'ENOENT'
      ? [
          finding(
            'folders',
            'warn',
            `DATA_DIR ${dataDir} does not exist`,
            `The first start creates it. ${elsewhere}`,
          ),
        ]
      : [finding('folders', 'fail', `DATA_DIR ${dataDir} cannot be written (${code})`, elsewhere)];
  }
  await new DiskStore(join(dataDir, 'media')).check();
  return [
    finding('folders', 'ok', `DATA_DIR ${dataDir} and its pictures can be written`),
    ...(await checkDisks(dataDir)),
  ];
}

/** The free space of DATA_DIR, and of its parts that are on other disks, by a link or a mount. */
async function checkDisks(dataDir: string): Promise<Finding[]> {
  const folders = new Map<number, string>();
  for (const part of ['', 'media', 'journal', 'postgres/data']) {
    const folder = join(dataDir, part);
    const found = await stat(folder).catch(() => null);
    if (found !== null && !folders.has(found.dev)) folders.set(found.dev, folder);
  }
  return Promise.all([...folders.values()].map(freeSpace));
}

async function freeSpace(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const result = free < minFree.fail ? 'fail' : free < minFree.warn ? 'warn' : 'ok';
  const cure = 'Free space, or use a larger disk: pictures that cannot be stored are lost after 48 hours.';
  return finding(
    'disk',
    result,
    `${(free / 1e9).toFixed(1)} GB free in ${folder}`,
    result === 'ok' ? null : cure,
  );
}

/** Checks that pictures can be written to the bucket, if they are stored in one; creates it if it is missing. */
export async function checkBucket(config: Config): Promise<Finding[]> {
  const { S3_BUCKET: bucket } = config;
  try {
    const store = await openBucket(config);
    if (store === null) return [];
    await store.check();
    return [
      finding('bucket', 'ok', `S3_BUCKET ${bucket} can be written`),
      clockFinding('bucket clock', 'bucket', store.clock.aheadMs),
      ...(await checkBucketAccess(store, config)),
    ];
  } catch (error) {
    const cure =
      'Check S3_ENDPOINT, S3_REGION and the credentials, and that they may create or write the bucket.';
    return [finding('bucket', 'fail', `S3_BUCKET ${bucket} cannot be used: ${answerOf(error)}`, cure)];
  }
}

/** Checks the key at the avatar service, by a call that costs nothing. */
export async function checkUpstream(config: Config): Promise<Finding[]> {
  if (config.UPSTREAM === 'sandbox') {
    const cure = 'Set PICSART_API_KEY to train and generate with AI.';
    return [finding('avatar service', 'ok', `the sandbox: no AI, no costs. ${cure}`)];
  }
  const provider = new PicsartProvider({
    name: 'picsart',
    baseUrl: config.PICSART_BASE_URL,
    balanceUrl: config.PICSART_BALANCE_URL,
    apiKey: config.PICSART_API_KEY ?? '',
    speed: 1,
    submitTimeoutMs: timeoutMs,
    pollTimeoutMs: timeoutMs,
    pollConnections: 1,
    logger: createLogger('silent'),
  });
  try {
    const { acceptsKey, credits } = await provider.checkAccount(AbortSignal.timeout(timeoutMs));
    return [accountFinding(acceptsKey, credits)];
  } finally {
    await provider.stop();
  }
}

function accountFinding(acceptsKey: boolean | null, credits: number | null): Finding {
  const check = 'avatar service';
  if (acceptsKey === false)
    return finding(check, 'fail', 'refuses PICSART_API_KEY', 'Set the right PICSART_API_KEY.');
  if (credits !== null && credits <= 0) return finding(check, 'fail', 'has no credits left', 'Buy credits.');
  if (acceptsKey) return finding(check, 'ok', `accepts the key; ${credits ?? 'unknown'} credits left`);
  const cure =
    'Check that this machine reaches PICSART_BASE_URL, and PICSART_BALANCE_URL. If it does, ignore this.';
  return finding(check, 'warn', 'did not state its balance: the key could not be checked', cure);
}

/** Checks that the gateway answers at its public address, as far as this can be seen from this machine. */
export async function checkPublicUrl({ PUBLIC_URL: url }: Config): Promise<Finding[]> {
  const check = 'public URL';
  if (url === undefined) return [finding(check, 'ok', 'not set: only clients of this machine')];
  try {
    const response = await fetch(`${url}/healthz`, {
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'manual',
    });
    const text = await response.text();
    if (text === '{"status":"alive"}') {
      const isSecure = url.startsWith('https:');
      return [
        finding(
          check,
          isSecure ? 'ok' : 'warn',
          `${url} is answered by Likeness, seen from this machine`,
          isSecure ? null : 'Use https, unless only this machine uses it.',
        ),
      ];
    }
    const cure = 'Let the proxy forward all paths to the gateway without login, and start the gateway.';
    return [
      finding(check, 'fail', `${url}/healthz answers ${response.status}, but not as Likeness does`, cure),
    ];
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    const cure = 'Start the gateway; check the name (DNS), the certificate, the proxy and the firewall.';
    return [finding(check, 'fail', `${url} cannot be reached (${code ?? (error as Error).message})`, cure)];
  }
}
