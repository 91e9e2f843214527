import type { Logger } from '../core/logger';
import { isLoopback } from '../core/networks';
import { ClientAddresses } from '../http/client-address';
import { Connections } from '../http/connection-limits';
import { metricsRoute } from '../http/health';
import { Origins } from '../http/origins';
import { HttpServer } from '../http/server';
import { Serving } from '../http/serving';
import { HeicDecoderMissing } from '../images/heic-decoder';
import type { Decoding } from '../images/image-processor';
import type { MediaStore } from '../storage/media-store';
import { examineCdn } from '../upstream/cdn-check';
import type { Metrics } from './metrics/metrics';
import type { Startup } from './upstream';

/** Collectors keep a connection or open one for each scrape. */
const maxConnections = 32;

/**
 * Starts the server of METRICS_PORT, which has only `/metrics`. Its connections do not count for the limits of clients, so that
 * it answers while those are reached.
 * @returns its URL; null if METRICS_PORT is not set
 */
export async function openMonitoring(
  { config, logger, shutdown }: Startup,
  metrics: Metrics,
): Promise<string | null> {
  const { METRICS_HOST: host, METRICS_PORT: port, METRICS_TOKEN: token, PUBLIC_URL: publicUrl } = config;
  if (port === undefined) return null;
  const server = new HttpServer({
    ...{ host, port, logger, sockets: null, isHttps: false, serving: new Serving() },
    settingPrefix: 'METRICS_',
    routes: [metricsRoute(metrics, { isLocalOnly: false, token })],
    // Pages cannot read it by a name that resolves to this machine.
    origins: new Origins({ publicUrl, isLocalOnly: isLoopback(host) }),
    connections: new Connections({
      onRefused: () => undefined,
      limits: {
        max: maxConnections,
        maxPerAddress: maxConnections,
        countsLoopback: true,
        maxDescriptor: null,
      },
      addresses: new ClientAddresses([]),
      logger,
    }),
  });
  shutdown.onStop(() => server.stop(config.SHUTDOWN_GRACE));
  const { url } = await server.start();
  logger.info({ address: `${url}/metrics` }, 'metrics are served');
  return url;
}

/**
 * Checks once, in the background, whether anyone can read photos through the CDN of `S3_PUBLIC_URL`, which is a warning in the
 * log. A stop ends the check.
 */
export function checkCdn(media: MediaStore, { config, logger, shutdown }: Startup): void {
  const { S3_PUBLIC_URL: publicUrl } = config;
  if (publicUrl === undefined) return;
  const check = async (): Promise<void> => {
    const verdicts = await examineCdn(publicUrl, media, shutdown.signal);
    const prefixes = [...verdicts.keys()].filter((prefix) => verdicts.get(prefix) === 'readable');
    if (prefixes.length > 0)
      logger.warn(
        { prefixes },
        'anyone who knows the id of a photo can read it at S3_PUBLIC_URL; let the CDN serve avatars/ and renditions/ only',
      );
  };
  const checking = check();
  shutdown.onStop(() => checking);
}

/** Counts each decoding, and logs that a decoder is missing. */
export function reportDecoding(
  metrics: Pick<Metrics, 'decoding'>,
  logger: Logger,
): (decoding: Decoding) => void {
  return (decoding) => {
    metrics.decoding(decoding);
    const { error } = decoding;
    if (error instanceof HeicDecoderMissing) logger.error({ err: error }, 'HEIC photos cannot be decoded');
  };
}
