import { ApiKeyEntity } from './accounts/api-key.entity';
import { AuditEntryEntity } from './accounts/audit-entry.entity';
import { ErasureEntity } from './accounts/erasure.entity';
import { IdempotencyKeyEntity } from './accounts/idempotency-key.entity';
import { QuotaReservationEntity } from './accounts/quota-reservation.entity';
import { RateWindowEntity } from './accounts/rate-window.entity';
import { EventEntity, StreamEntity } from './events/event.entity';
import { AvatarEntity } from './generations/avatar.entity';
import { GenerationEntity } from './generations/generation.entity';
import { SubmissionEntity } from './jobs/submission.entity';
import { ModelEntity, ModelPhotoEntity } from './models/model.entity';
import { ExportEntity } from './persons/export.entity';
import { PhotoServerEntity } from './photos/photo-server.entity';
import { PhotoEntity } from './photos/photo.entity';
import { DoomedMediaEntity } from './storage/doomed-media.entity';
import { UpstreamAccountEntity } from './upstream/account.entity';

/** Every table. */
export const entities = [
  PhotoEntity,
  PhotoServerEntity,
  ModelEntity,
  ModelPhotoEntity,
  GenerationEntity,
  AvatarEntity,
  SubmissionEntity,
  DoomedMediaEntity,
  StreamEntity,
  EventEntity,
  IdempotencyKeyEntity,
  UpstreamAccountEntity,
  ApiKeyEntity,
  QuotaReservationEntity,
  AuditEntryEntity,
  RateWindowEntity,
  ErasureEntity,
  ExportEntity,
];
