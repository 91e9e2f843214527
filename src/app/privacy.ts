import type { QuotaService } from '../accounts/quota.service';
import type { Config } from '../config';
import type { UrlSigner } from '../core/signature';
import type { Transactions } from '../core/sql';
import type { Wakeups } from '../events/wakeups';
import { ErasureService } from '../privacy/erasure.service';
import { ErasureWork } from '../privacy/erasure.work';
import { ExportService } from '../privacy/export.service';
import { PrivacyResolver } from '../privacy/privacy.resolver';
import type { MediaStore } from '../storage/media-store';

export interface PrivacyDeps {
  database: Transactions;
  media: MediaStore;
  wakeups: Pick<Wakeups, 'announce'>;
  signer: UrlSigner;
  quotas: Pick<QuotaService, 'limits'>;
  config: Pick<Config, 'MAX_EXPORTS' | 'MIN_TRANSFER_RATE' | 'TRANSFER_GRACE'>;
  publicUrl: () => string;
}

/** Erasure and export of personal data. */
export interface Privacy {
  erasureWork: ErasureWork;
  exports: ExportService;
  personResolver: PrivacyResolver;
}

/** Creates the privacy services. */
export function makePrivacy(deps: PrivacyDeps): Privacy {
  const { database, media, wakeups, signer, quotas, config, publicUrl } = deps;
  const keepsCounts = Object.values(quotas.limits).some((limit) => limit !== null);
  const erasureWork = new ErasureWork({ database, announcer: wakeups, keepsCounts });
  const erasures = new ErasureService({ database, announcer: wakeups, work: erasureWork });
  const limits = {
    maxTransfers: config.MAX_EXPORTS,
    maxPerOwner: 1,
    minBytesPerSecond: config.MIN_TRANSFER_RATE,
    graceMs: config.TRANSFER_GRACE,
  };
  const exports = new ExportService({ database, media, signer, publicUrl, limits });
  return {
    erasureWork,
    exports,
    personResolver: new PrivacyResolver(erasures, exports),
  };
}
