import type { Logger } from '../core/logger';
import { OutageLog } from '../core/outage';
import type { Transactions } from '../core/sql';
import { type MediaStore, StorageUnavailableError } from '../storage/media-store';
import { nameOfStore, openMediaStore } from '../storage/open-store';
import { StoreAgreement } from '../storage/store-agreement';
import type { Startup } from './upstream';

/** The store of pictures. */
export interface OpenedStore {
  readonly media: MediaStore;
  /** For readiness: rejects if it cannot be written, or is not that of the database. */
  checkStore(): Promise<unknown>;
  /** Rejects unless it is known to be that of the database. */
  requireStore(): Promise<void>;
}

/**
 * Opens the store of pictures.
 * @throws Error with advice if it is not the one of the database
 */
export async function openStore(
  { config, dataDir, logger }: Startup,
  database: Transactions,
): Promise<OpenedStore> {
  const media = await openMediaStore(config, dataDir);
  const name = nameOfStore(config, dataDir);
  const agreement = new StoreAgreement({ database, store: media, name, logger });
  await agreement.check();
  return {
    media: reporting(
      guarded(media, () => agreement.requireForPut()),
      name,
      logger,
    ),
    checkStore: () => Promise.all([media.check(), agreement.check()]),
    requireStore: () => agreement.require(),
  };
}

/** The store, which stores nothing unless it is known to be that of the database. */
function guarded(media: MediaStore, requireForPut: () => Promise<void>): MediaStore {
  const put: MediaStore['put'] = async (...object) => {
    await requireForPut();
    return media.put(...object);
  };
  return Object.assign(Object.create(media) as MediaStore, { put });
}

/** The store, which logs once that pictures cannot be stored, or not be read, and that they can be again. */
function reporting(media: MediaStore, name: string, logger: Logger): MediaStore {
  const log = logger.child({ store: name });
  const stores = new OutageLog(log, {
    begin: 'pictures cannot be stored',
    end: 'pictures can be stored again',
  });
  const reads = new OutageLog(log, { begin: 'pictures cannot be read', end: 'pictures can be read again' });
  const watched: Pick<MediaStore, 'open' | 'put'> = {
    open: (...object) => watch(reads, media.open(...object)),
    put: (...object) => watch(stores, media.put(...object)),
  };
  return Object.assign(Object.create(media) as MediaStore, watched);
}

async function watch<T>(outages: OutageLog, call: Promise<T>): Promise<T> {
  try {
    const result = await call;
    outages.succeeded();
    return result;
  } catch (error) {
    if (error instanceof StorageUnavailableError) outages.failed(error);
    throw error;
  }
}
