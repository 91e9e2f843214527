import { ErasureGate } from './accounts/erasure-gate';
import { PersonalAccountService } from './accounts/personal-account.service';
import type { QuotaService } from './accounts/quota.service';
import type { UrlSigner } from './core/signature';
import type { Database } from './database/database';
import type { Wakeups } from './events/wakeups';
import { PersonalAvatarService } from './generations/personal-avatar.service';
import { PersonalGenerationService } from './generations/personal-generation.service';
import { PersonalModelService } from './models/personal-model.service';
import { erasureSteps } from './persons/erasure-steps';
import { ErasureService } from './persons/erasure.service';
import { ErasureWork } from './persons/erasure.work';
import { ExportService } from './persons/export.service';
import { PersonResolver } from './persons/person.resolver';
import { PersonalPhotoService } from './photos/personal-photo.service';
import type { MediaStore } from './storage/media-store';

/** What the rights of persons stand on. */
export interface PrivacyGround {
  database: Database;
  media: MediaStore;
  wakeups: Pick<Wakeups, 'announce'>;
  signer: UrlSigner;
  quotas: Pick<QuotaService, 'limits'>;
  publicUrl: () => string;
}

/** What persons may ask of all that is kept of them. */
export interface Privacy {
  gate: ErasureGate;
  erasureWork: ErasureWork;
  exports: ExportService;
  personResolver: PersonResolver;
}

/** Makes it. */
export function makePrivacy({ database, media, wakeups, signer, quotas, publicUrl }: PrivacyGround): Privacy {
  const account = new PersonalAccountService(Object.values(quotas.limits).some((limit) => limit !== null));
  const data = {
    account,
    photos: new PersonalPhotoService(media),
    models: new PersonalModelService(),
    generations: new PersonalGenerationService(),
    avatars: new PersonalAvatarService(media),
  };
  const erasureWork = new ErasureWork({ database, announcer: wakeups, steps: erasureSteps(data) });
  const erasures = new ErasureService({ database, announcer: wakeups, work: erasureWork });
  const exports = new ExportService({ database, data, signer, publicUrl });
  return {
    gate: new ErasureGate(database),
    erasureWork,
    exports,
    personResolver: new PersonResolver(erasures, exports),
  };
}
