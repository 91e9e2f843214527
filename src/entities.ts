import { AuditEntryEntity } from './accounts/audit-entry.entity';
import { ErasureEntity } from './accounts/erasure.entity';
import { IdempotencyKeyEntity } from './accounts/idempotency-key.entity';
import { ErasedSpendingEntity, LedgerEntryEntity } from './accounts/ledger-entry.entity';
import { QuotaReservationEntity } from './accounts/quota-reservation.entity';
import { ApiKeyEntity } from './auth/api-key.entity';
import { ClientTokenEntity } from './auth/client-token.entity';
import { RateCountsEntity, RateWindowEntity } from './auth/rate-window.entity';
import { InstallationEntity } from './database/installation.entity';
import { LockEntity } from './database/lock.entity';
import { EventEntity, OwnerEventEntity, OwnerStreamEntity, StreamEntity } from './events/event.entity';
import { AvatarDownloadEntity } from './generations/avatar-download.entity';
import { AvatarEntity } from './generations/avatar.entity';
import { GenerationEntity } from './generations/generation.entity';
import { RenditionEntity } from './generations/rendition.entity';
import { BulkRetryEntity } from './jobs/bulk-retry.entity';
import { LearnedDurationEntity } from './jobs/learned-duration.entity';
import { SubmissionEntity } from './jobs/submission.entity';
import { TimelineEntryEntity } from './jobs/timeline-entry.entity';
import { ModelEntity, ModelPhotoEntity } from './models/model.entity';
import { NoticeEntity } from './notices/notice.entity';
import { PhotoAvailabilityEntity } from './photos/photo-availability.entity';
import { PhotoEntity } from './photos/photo.entity';
import { ExportEntity } from './privacy/export.entity';
import { MediaDeletionEntity } from './storage/media-deletion.entity';
import { UpstreamAccountEntity } from './upstream/account.entity';
import { SubmissionPauseEntity } from './upstream/submission-pause.entity';
import { WebhookDeliveryEntity, WebhookEntity } from './webhooks/webhook.entity';

/** The entities of all tables, for the data source. */
export const entities = [
  PhotoEntity,
  PhotoAvailabilityEntity,
  ModelEntity,
  ModelPhotoEntity,
  GenerationEntity,
  AvatarEntity,
  SubmissionEntity,
  TimelineEntryEntity,
  LearnedDurationEntity,
  MediaDeletionEntity,
  StreamEntity,
  EventEntity,
  OwnerStreamEntity,
  OwnerEventEntity,
  IdempotencyKeyEntity,
  BulkRetryEntity,
  UpstreamAccountEntity,
  SubmissionPauseEntity,
  ApiKeyEntity,
  ClientTokenEntity,
  QuotaReservationEntity,
  LedgerEntryEntity,
  ErasedSpendingEntity,
  AuditEntryEntity,
  RateWindowEntity,
  RateCountsEntity,
  ErasureEntity,
  ExportEntity,
  AvatarDownloadEntity,
  RenditionEntity,
  NoticeEntity,
  LockEntity,
  InstallationEntity,
  WebhookEntity,
  WebhookDeliveryEntity,
];
