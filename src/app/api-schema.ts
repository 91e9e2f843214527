import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { QuotaService } from '../accounts/quota.service';
import { readConfig } from '../config';
import { createLogger } from '../core/logger';
import { UrlSigner } from '../core/signature';
import { createDataSource } from '../database/data-source';
import { Database } from '../database/database';
import { EventFeed } from '../events/feed';
import { Wakeups } from '../events/wakeups';
import { buildAppSchema } from '../graphql/build-schema';
import { ImageProcessor, createImageSemaphore } from '../images/image-processor';
import { DiskStore } from '../storage/disk-store';
import { UploadSpool } from '../storage/upload-spool';
import { createGuard } from '../upstream/guard';
import { SandboxProvider } from '../upstream/sandbox/sandbox-provider';
import { makeFeatures } from './features';

/** A URL without a server: an unexpected connection attempt fails. */
const unreachableUrl = 'postgres://none@127.0.0.1:1/none';

/**
 * The API schema, built from the gateway's resolvers with dependencies that are created but not started: it accesses
 * neither database, network nor file system.
 */
export function apiSchema(): GraphQLSchema {
  const config = readConfig({});
  const logger = createLogger('silent');
  const database = new Database(createDataSource({ url: unreachableUrl, poolSize: 1, entities: [] }));
  const wakeups = new Wakeups({ url: unreachableUrl, logger });
  const limits = { submitTimeoutMs: 1, pollTimeoutMs: 1, logger };
  const { resolvers } = makeFeatures({
    config,
    logger,
    database,
    wakeups,
    media: new DiskStore(join(tmpdir(), 'likeness-schema')),
    feed: new EventFeed({ sql: database, wakeups, logger }),
    provider: new SandboxProvider({ ...limits, baseUrl: 'http://127.0.0.1:1', apiKey: 'none', speed: 1 }),
    localUrl: () => unreachableUrl,
    guard: createGuard({ allow: [] }),
    imageProcessor: new ImageProcessor(createImageSemaphore(1)),
    spool: new UploadSpool(join(tmpdir(), 'likeness-schema')),
    signer: new UrlSigner(['none']),
    quotas: new QuotaService({ sql: database, limits: noLimits, countRunning: () => Promise.resolve(0) }),
    publicUrl: () => '',
  });
  return buildAppSchema(resolvers, ({ viewer }) => Promise.resolve(viewer));
}

const noLimits = { trainingsPerDay: null, avatarsPerDay: null, running: null };
