import type { Transactions } from '../core/sql';
import type { MediaStore } from '../storage/media-store';
import { nameOfStore, openMediaStore } from '../storage/open-store';
import { StoreAgreement } from '../storage/store-agreement';
import type { Startup } from './upstream';

/**
 * Opens the store of pictures. `checkStore` is for readiness.
 * @throws Error with advice if it is not the one of the database
 */
export async function openStore(
  { config, dataDir, logger }: Startup,
  database: Transactions,
): Promise<{ media: MediaStore; checkStore: () => Promise<unknown> }> {
  const media = await openMediaStore(config, dataDir);
  const name = nameOfStore(config, dataDir);
  const agreement = new StoreAgreement({ database, store: media, name, logger });
  await agreement.check();
  return { media, checkStore: () => Promise.all([media.check(), agreement.check()]) };
}
