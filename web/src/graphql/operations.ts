// Written by `npm run codegen` from schema/schema.graphql and the documents beside this file.
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
import { gql } from '@urql/core';
/** Which avatars. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything. */
export type AvatarFilter = {
  /** By `createdAt`. */
  created?: DateTimeRangeInput | null | undefined;
  /** True: your favorites. False: all but your favorites. */
  favorite?: boolean | null | undefined;
  /** Of this generation, by its global id. */
  generationId?: string | null | undefined;
  /** Made from this model, by its global id. */
  modelId?: string | null | undefined;
  /** In one of these styles, by their `key`. At most 100. */
  styles?: Array<string> | null | undefined;
};

/** Which models. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything. */
export type AvatarModelFilter = {
  /** By `createdAt`. */
  created?: DateTimeRangeInput | null | undefined;
  /** With one of these statuses. At most 100. */
  statuses?: Array<ModelStatus> | null | undefined;
  /** Of one of these types. At most 100. */
  types?: Array<AvatarType> | null | undefined;
};

/** The order of models. */
export type AvatarModelOrder =
  /** By name, A to Z. The case of the letters A to Z does not matter; other letters follow after Z. Models with equal names are ordered by age. */
  | 'NAME'
  /** The newest first. */
  | 'NEWEST'
  /** The oldest first. */
  | 'OLDEST';

/** The order of avatars. */
export type AvatarOrder =
  /** Favorites first; the newest first among them, and among the others. */
  | 'FAVORITES'
  /** The newest first. */
  | 'NEWEST'
  /** The oldest first. */
  | 'OLDEST';

/** Which avatars. Give exactly one of the fields. */
export type AvatarSelectionInput =
  {   /** Your avatars that match; with `{}` all of them, with `{ favorite: false }` all but your favorites. */
  filter: AvatarFilter; generationId?: never; ids?: never; modelId?: never; }
  |  { filter?: never;   /** The global id of a generation: all of its avatars. */
  generationId: string; ids?: never; modelId?: never; }
  |  { filter?: never; generationId?: never;   /** 1 to 1,000 global ids. */
  ids: Array<string>; modelId?: never; }
  |  { filter?: never; generationId?: never; ids?: never;   /** The global id of a model: all avatars made from it. */
  modelId: string; };

/** The subject of the photos. */
export type AvatarType =
  /** One cat. */
  | 'CAT'
  /** Two people, both in every photo. */
  | 'COUPLE'
  /** One dog. */
  | 'DOG'
  /** One man. */
  | 'MAN'
  /** One woman. */
  | 'WOMAN';

/** The consent of the person in the photos to their use. Some servers require it; the error CONSENT_REQUIRED then contains the version. */
export type ConsentInput = {
  /** When the person agreed. Default: now. */
  givenAt?: string | null | undefined;
  /** The version of the text that the person agreed to, up to 100 characters without spaces, such as `2026-01`. */
  version: string;
};

/** Limits a list to a span of time. */
export type DateTimeRangeInput = {
  /** Up to this moment, exclusive. Null: no latest moment. */
  before?: string | null | undefined;
  /** From this moment on, inclusive. Null: no earliest moment. */
  from?: string | null | undefined;
};

/** Every value that `extensions.code` can have. More values will be added: treat an unknown code like INTERNAL_SERVER_ERROR. */
export type ErrorCode =
  /** The HTTP request has a form that the server does not accept. */
  | 'BAD_REQUEST'
  /** The server requires a consent, and none, or one for another text, was given. */
  | 'CONSENT_REQUIRED'
  /** The credentials or the origin do not permit the request. */
  | 'FORBIDDEN'
  /** The query has a syntax error. */
  | 'GRAPHQL_PARSE_FAILED'
  /** The query does not match the schema. */
  | 'GRAPHQL_VALIDATION_FAILED'
  /** The `idempotencyKey` was used with another input. */
  | 'IDEMPOTENCY_KEY_REUSED'
  /** A bug. The message has the id of the request in the log of the server. */
  | 'INTERNAL_SERVER_ERROR'
  /** The cursor does not belong to this list, subscription or job. */
  | 'INVALID_CURSOR'
  /** A value is missing, has the wrong type, or is out of range. */
  | 'INVALID_INPUT'
  /** A signed URL was changed or has expired. */
  | 'INVALID_SIGNATURE'
  /** Avatars were requested from a model that is not READY. */
  | 'MODEL_NOT_READY'
  /** The model or generation has ended. */
  | 'NOT_CANCELLABLE'
  /** No object has this id, or it belongs to another owner. */
  | 'NOT_FOUND'
  /** The model or generation cannot be retried now. */
  | 'NOT_RETRYABLE'
  /** The query has no operation with the given `operationName`. */
  | 'OPERATION_RESOLUTION_FAILURE'
  /** The server does not have the query with this hash. Send the hash with the query. */
  | 'PERSISTED_QUERY_NOT_FOUND'
  /** A photo cannot be used. */
  | 'PHOTO_INVALID'
  /** A photo has not been uploaded yet, or is still being fetched. */
  | 'PHOTO_NOT_READY'
  /** A photo has too many bytes. */
  | 'PHOTO_TOO_LARGE'
  /** A photo is not JPEG, PNG, WebP, AVIF or HEIC. */
  | 'PHOTO_TYPE_UNSUPPORTED'
  /** The avatar service of the model or generation is no longer configured on this server. */
  | 'PROVIDER_NOT_CONFIGURED'
  /** The server accepts only the queries in its list. */
  | 'QUERY_NOT_ALLOWED'
  /** The query exceeds a limit of the server: `extensions` has its name as `limit`, its value as `maximum`, and the value of the query as `given`; the message says what to change. */
  | 'QUERY_TOO_COMPLEX'
  /** A quota is used up. */
  | 'QUOTA_EXCEEDED'
  /** There are too many requests at this time. Wait for `retryAfterSeconds`. */
  | 'RATE_LIMITED'
  /** The request has too many bytes. */
  | 'REQUEST_TOO_LARGE'
  /** A part of the server is unavailable. Retry in a few seconds. */
  | 'SERVICE_UNAVAILABLE'
  /** A subscription was read more slowly than its events arrived. */
  | 'SUBSCRIBER_TOO_SLOW'
  /** The operation took too long. A mutation may still complete. */
  | 'TIMEOUT'
  /** A training was requested with too few photos. */
  | 'TOO_FEW_PHOTOS'
  /** A training was requested with too many photos. */
  | 'TOO_MANY_PHOTOS'
  /** Credentials are missing, invalid or expired. */
  | 'UNAUTHENTICATED'
  /** Another upload to the same URL is in progress. */
  | 'UPLOAD_IN_PROGRESS'
  /** The upload URL has expired. */
  | 'UPLOAD_URL_EXPIRED'
  /** The account at the avatar service has no credits. No request fails with it: jobs wait, and their `failure` may have it. */
  | 'UPSTREAM_CREDITS';

/** The request to estimate: the same input as for the mutation. Give exactly one of the fields. */
export type EstimateCostInput =
  {   /** The input of `generateAvatars`. */
  generateAvatars: GenerateAvatarsInput; generateInstantAvatars?: never; retry?: never; trainModel?: never; }
  |  { generateAvatars?: never;   /** The input of `generateInstantAvatars`. */
  generateInstantAvatars: GenerateInstantAvatarsInput; retry?: never; trainModel?: never; }
  |  { generateAvatars?: never; generateInstantAvatars?: never;   /** The global id of a model or generation to retry; of a PARTIAL generation, with `missingOnly`. */
  retry: string; trainModel?: never; }
  |  { generateAvatars?: never; generateInstantAvatars?: never; retry?: never;   /** The input of `trainModel`. */
  trainModel: TrainModelInput; };

/** Why a model or generation failed. More values will be added. */
export type FailureCode =
  /** The avatar service no longer has this model or generation. */
  | 'MODEL_LOST_UPSTREAM'
  /** A photo cannot be used. */
  | 'PHOTO_INVALID'
  /** A photo could not be fetched from its URL. */
  | 'PHOTO_UNREACHABLE'
  /** Its avatar service is no longer configured on this server. */
  | 'PROVIDER_NOT_CONFIGURED'
  /** The avatar service deleted the finished pictures before they could be fetched. */
  | 'RESULT_EXPIRED'
  /** The finished pictures could not be fetched yet. */
  | 'RESULT_UNREACHABLE'
  /** The avatar service returned a result that is not a picture. */
  | 'RESULT_UNUSABLE'
  /** It is still unknown after the grace period whether the avatar service accepted the request; it may have been charged once. See the status UNCERTAIN. */
  | 'SUBMISSION_UNKNOWN'
  /** Too few usable photos are left for a training. */
  | 'TOO_FEW_PHOTOS'
  /** This version of the server does not have the code; `message` describes the problem. */
  | 'UNKNOWN'
  /** The avatar service does not accept the gateway’s key. */
  | 'UPSTREAM_AUTH'
  /** The gateway’s account at the avatar service has no credits left. */
  | 'UPSTREAM_CREDITS'
  /** The avatar service failed to produce a result. */
  | 'UPSTREAM_FAILED'
  /** The avatar service refused the request. */
  | 'UPSTREAM_REJECTED'
  /** The avatar service did not finish in time. */
  | 'UPSTREAM_TIMEOUT';

/** What `generateAvatars` takes. */
export type GenerateAvatarsInput = {
  /** Makes retries of this mutation safe: a call with the same key and input returns the generation of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: each call makes, and is charged for, another generation. */
  idempotencyKey?: string | null | undefined;
  /** The global id of a READY model. */
  modelId: string;
  /** The order among your own jobs of this kind that wait. A retry keeps it. */
  priority?: JobPriority;
  /** 1 to 20 prompts. */
  prompts: Array<PromptInput>;
  /** Cancel the job, free of charge, if it is still QUEUED at this moment, which must be in the future. A call to the avatar service that has begun is not cancelled. Null: no such limit. */
  startBy?: string | null | undefined;
};

/** What `generateInstantAvatars` takes. */
export type GenerateInstantAvatarsInput = {
  /** The consent of the person in the photo; stored with the generation. Null: none; refused with CONSENT_REQUIRED if `capabilities.consentVersion` is not null. */
  consent?: ConsentInput | null | undefined;
  /** The number of avatars, 1 to 100. */
  count?: number;
  /** Makes retries of this mutation safe: a call with the same key and input returns the generation of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: each call makes, and is charged for, another generation. */
  idempotencyKey?: string | null | undefined;
  /** What the avatars should not show; at most 1,000 characters. Null: no restriction. */
  negativePrompt?: string | null | undefined;
  /** The photo. Required; null only if the deprecated `photoId` or `photoUrl` is given. */
  photo?: PhotoSourceInput | null | undefined;
  /**
   * The global id of an uploaded photo that is READY.
   * @deprecated Use `photo`. Removed in 1.0.
   */
  photoId?: string | null | undefined;
  /**
   * The public URL of a JPEG, PNG, WebP, AVIF or HEIC photo.
   * @deprecated Use `photo`. Removed in 1.0.
   */
  photoUrl?: string | null | undefined;
  /** The order among your own jobs of this kind that wait. A retry keeps it. */
  priority?: JobPriority;
  /** A description of the avatars: 1 to 1,000 characters. */
  prompt: string;
  /** Cancel the job, free of charge, if it is still QUEUED at this moment, which must be in the future. A call to the avatar service that has begun is not cancelled. Null: no such limit. */
  startBy?: string | null | undefined;
};

/** The status of a generation. COMPLETED, PARTIAL, FAILED and CANCELLED are final, except that a late result or a retry may change PARTIAL and FAILED. */
export type GenerationStatus =
  /** Cancelled by its owner. */
  | 'CANCELLED'
  /** Every requested avatar is stored. */
  | 'COMPLETED'
  /** It has no avatars; `failure` has the reason. A late success is still stored. */
  | 'FAILED'
  /** The avatar service is generating the avatars. */
  | 'GENERATING'
  /** Some avatars are stored; `missing` lists the others. Those that can no longer arrive can be ordered again by `retryGeneration` with `missingOnly`. It becomes COMPLETED if they arrive while the avatar service keeps them (Picsart: 48 hours), unless you have deleted one of the others: then it stays PARTIAL, with `missing` empty. */
  | 'PARTIAL'
  /** Waiting to be sent to the avatar service; this attempt has not been charged. */
  | 'QUEUED'
  /** The avatars are finished and are being fetched; each is available as soon as it is stored. */
  | 'STORING'
  /** The request to the avatar service is being made. */
  | 'SUBMITTING'
  /** It is unknown whether the avatar service accepted the request, because its answer was lost. The request may have been charged once; it is not sent again without proof that it did not arrive. Show it as “taking longer than usual”. It leaves this status by itself within the grace period, which the operator sets (35 minutes for Picsart): it continues if it was accepted, is sent again if it certainly was not, and otherwise becomes FAILED with SUBMISSION_UNKNOWN. `retryGeneration` ends it at once, and may be charged a second time. */
  | 'UNCERTAIN';

/** The order among your own waiting jobs. It does not affect other people’s jobs. */
export type JobPriority =
  /** Before your other jobs. */
  | 'HIGH'
  /** After your other jobs. */
  | 'LOW'
  /** The default. */
  | 'NORMAL';

/** The status of a model. READY, FAILED and CANCELLED are final, except that a FAILED one may be retried or succeed late. */
export type ModelStatus =
  /** Cancelled by its owner. */
  | 'CANCELLED'
  /** It could not be trained; `failure` has the reason. */
  | 'FAILED'
  /** Waiting to be sent to the avatar service; its photos may still be fetched and checked. This attempt has not been charged. */
  | 'QUEUED'
  /** Avatars can be generated from it. */
  | 'READY'
  /** The request to the avatar service is being made. */
  | 'SUBMITTING'
  /** The avatar service is training it. */
  | 'TRAINING'
  /** It is unknown whether the avatar service accepted the training, because its answer was lost. The training may have been charged once; it is not sent again without proof that it did not arrive. Show it as “taking longer than usual”. It leaves this status by itself within the grace period, which the operator sets (35 minutes for Picsart): it continues if it was accepted, is sent again if it certainly was not, and otherwise becomes FAILED with SUBMISSION_UNKNOWN. `retryModel` ends it at once, and may be charged a second time. */
  | 'UNCERTAIN';

/** What a notice is about. More values will be added. */
export type NoticeKind =
  /** A spending limit is almost reached. */
  | 'SPENDING_LIMIT_NEAR'
  /** A webhook failed for 24 hours and is disabled. */
  | 'WEBHOOK_DISABLED';

/** A file to upload. */
export type PhotoFileInput = {
  /** The size of the file in bytes: 1 to the limit of this server, 25 MB by default. */
  byteSize: number;
  /** `image/jpeg`, `image/png`, `image/webp`, `image/avif`, `image/heic` or `image/heif`. The actual type is determined from the bytes. */
  contentType: string;
  /** The filename, 1 to 255 characters; returned with the photo. */
  filename: string;
};

/** Why a photo cannot be used. More values will be added. */
export type PhotoProblemCode =
  /** It has several frames. */
  | 'ANIMATED'
  /** Its declared name or size is invalid. */
  | 'INVALID_FILE'
  /** It has too many bytes. */
  | 'PHOTO_TOO_LARGE'
  /** Its URL returned no photo. */
  | 'PHOTO_UNREACHABLE'
  /** It has too many pixels. */
  | 'TOO_MANY_PIXELS'
  /** Its shorter side has too few pixels. */
  | 'TOO_SMALL'
  /** This version of the server does not have the code; `message` describes the problem. */
  | 'UNKNOWN'
  /** It is damaged, truncated, or takes too long to decode. */
  | 'UNREADABLE'
  /** It is not JPEG, PNG, WebP, AVIF or HEIC, by its bytes or by its declared type. */
  | 'UNSUPPORTED_TYPE';

/** A photo for a training or a generation. Give exactly one of the fields. */
export type PhotoSourceInput =
  {   /** The global id of an uploaded photo that is READY. */
  photoId: string; url?: never; }
  |  { photoId?: never;   /** The public URL of a JPEG, PNG, WebP, AVIF or HEIC photo. It is fetched and checked after the mutation has returned. */
  url: string; };

/** The status of a photo. */
export type PhotoStatus =
  /** Its bytes have not been uploaded yet. PUT them to its `uploadUrl`. */
  | 'AWAITING_UPLOAD'
  /** It is being fetched from its URL. */
  | 'FETCHING'
  /** Its bytes were deleted because no unfinished or retryable work needs them. */
  | 'PURGED'
  /** Checked and stored: a model can be trained from it. */
  | 'READY'
  /** It cannot be used; `problems` has the reason. Another file may be sent while its `uploadUrl` is valid. */
  | 'REJECTED';

/** The avatars to generate in one style. */
export type PromptInput = {
  /** The number of avatars, at least 1. All prompts of a generation together: at most 100. */
  count?: number;
  /** A description of the avatars; at most 1,000 characters. Null: the style alone. */
  prompt?: string | null | undefined;
  /** The `key` of one of the `styles`. Default: the style with `isDefault`; required if no style has it. */
  style?: string | null | undefined;
};

/** What `retryGeneration` takes. */
export type RetryGenerationInput = {
  /** The `attempt` you saw. If there has been a later one, the answer is NOT_RETRYABLE. A greater number than the latest is INVALID_INPUT. Null: later attempts are not checked. */
  attempt?: number | null | undefined;
  /** The global id of the generation. */
  id: string;
  /** Repeating the mutation with the same key never charges twice: it returns the job as it is now. A refused retry does not use the key. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: the mutation is not deduplicated. */
  idempotencyKey?: string | null | undefined;
  /** Required to be true for a PARTIAL generation: its avatars stay, and only those that are missing are ordered and charged, except those that may still arrive. Of a FAILED or UNCERTAIN generation all avatars are missing; with true it is refused with NOT_RETRYABLE if some may still arrive. */
  missingOnly?: boolean;
};

/** What `retryModel` takes. */
export type RetryModelInput = {
  /** The `attempt` you saw. If there has been a later one, the answer is NOT_RETRYABLE. A greater number than the latest is INVALID_INPUT. Null: later attempts are not checked. */
  attempt?: number | null | undefined;
  /** The global id of the model. */
  id: string;
  /** Repeating the mutation with the same key never charges twice: it returns the job as it is now. A refused retry does not use the key. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: the mutation is not deduplicated. */
  idempotencyKey?: string | null | undefined;
};

/** What a caller may do. More values will be added. */
export type Scope =
  /** The field `operator`. */
  | 'ADMIN'
  /** Queries and subscriptions. */
  | 'READ'
  /** Mutations. */
  | 'WRITE';

/** What `trainModel` takes. */
export type TrainModelInput = {
  /** The consent of the person in the photos; stored with the model. Null: none; refused with CONSENT_REQUIRED if `capabilities.consentVersion` is not null. */
  consent?: ConsentInput | null | undefined;
  /** Makes retries of this mutation safe: a call with the same key and input returns the model of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: each call trains, and is charged for, another model. */
  idempotencyKey?: string | null | undefined;
  /** A display name, 1 to 100 characters. */
  name?: string;
  /**
   * Global ids of READY photos, uploaded with `createPhotoUploads`.
   * @deprecated Use `photos`. Removed in 1.0.
   */
  photoIds?: Array<string> | null | undefined;
  /**
   * Public URLs of JPEG, PNG, WebP, AVIF or HEIC photos. They are fetched and checked after the mutation has returned.
   * @deprecated Use `photos`. Removed in 1.0.
   */
  photoUrls?: Array<string> | null | undefined;
  /** The photos, in your order: 5 to 30, uploaded or at public URLs; `capabilities` has the limits of this server. Required; null only if the deprecated `photoIds` or `photoUrls` are given. */
  photos?: Array<PhotoSourceInput> | null | undefined;
  /** The order among your own jobs of this kind that wait. A retry keeps it. */
  priority?: JobPriority;
  /** The `key` of the avatar service, see `providers`. Default: the configured one. */
  provider?: string | null | undefined;
  /** Cancel the job, free of charge, if it is still QUEUED at this moment, which must be in the future. A call to the avatar service that has begun is not cancelled. Null: no such limit. */
  startBy?: string | null | undefined;
  /** The subject of the photos. */
  type: AvatarType;
};

export type ActivitySubscriptionVariables = Exact<{
  after?: string | null | undefined;
}>;


export type ActivitySubscription = { activity: { cursor: string, isSnapshot: boolean, isEstimate: boolean, occurredAt: string, change:
      | { __typename: 'AvatarChanged', avatarId: string, avatar: { id: string, favorite: boolean } | null }
      | { __typename: 'AvatarCreated', avatarId: string, avatar: { id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string, generation: { id: string, avatars: Array<{ id: string }>, model: { id: string, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null } | null } | null } | null }
      | { __typename: 'AvatarDeleted', avatarId: string, generationId: string }
      | { __typename: 'CaughtUp', hasGap: boolean }
      | { __typename: 'GenerationChanged', generationId: string, generationStatus: GenerationStatus, generation: { id: string, status: GenerationStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, prompts: Array<{ style: string, prompt: string | null, count: number }>, missing: Array<{ count: number, mayArrive: boolean, failure: { code: FailureCode, message: string, retryable: boolean } }>, model: { id: string, name: string } | null, avatars: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }> } | null }
      | { __typename: 'GenerationDeleted', generationId: string }
      | { __typename: 'ModelChanged', modelId: string, modelStatus: ModelStatus, model: { id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null } | null }
      | { __typename: 'ModelDeleted', modelId: string }
     } };

export type FailureFieldsFragment = { code: FailureCode, message: string, retryable: boolean };

export type AvatarFieldsFragment = { id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string };

export type ModelFieldsFragment = { id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null };

export type GenerationFieldsFragment = { id: string, status: GenerationStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, prompts: Array<{ style: string, prompt: string | null, count: number }>, missing: Array<{ count: number, mayArrive: boolean, failure: { code: FailureCode, message: string, retryable: boolean } }>, model: { id: string, name: string } | null, avatars: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }> };

export type PhotoFieldsFragment = { id: string, filename: string | null, status: PhotoStatus, url: string | null, problems: Array<{ code: PhotoProblemCode, message: string }> };

export type CreatePhotoUploadsMutationVariables = Exact<{
  files: Array<PhotoFileInput> | PhotoFileInput;
}>;


export type CreatePhotoUploadsMutation = { createPhotoUploads: { uploads: Array<{ uploadUrl: string, photo: { id: string, filename: string | null, status: PhotoStatus, url: string | null, problems: Array<{ code: PhotoProblemCode, message: string }> }, headers: Array<{ name: string, value: string }>, problems: Array<{ code: ErrorCode, message: string }> }> } | null };

export type DeletePhotoMutationVariables = Exact<{
  id: string;
}>;


export type DeletePhotoMutation = { deletePhoto: { deletedId: string } | null };

export type TrainModelMutationVariables = Exact<{
  input: TrainModelInput;
}>;


export type TrainModelMutation = { trainModel: { model: { id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null } } | null };

export type RenameModelMutationVariables = Exact<{
  id: string;
  name: string;
}>;


export type RenameModelMutation = { renameModel: { model: { id: string, name: string, updatedAt: string } } | null };

export type CancelModelMutationVariables = Exact<{
  id: string;
}>;


export type CancelModelMutation = { cancelModel: { model: { id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null } } | null };

export type RetryModelMutationVariables = Exact<{
  input: RetryModelInput;
}>;


export type RetryModelMutation = { retryModel: { model: { id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null } } | null };

export type DeleteModelMutationVariables = Exact<{
  id: string;
}>;


export type DeleteModelMutation = { deleteModel: { deletedId: string } | null };

export type GenerateAvatarsMutationVariables = Exact<{
  input: GenerateAvatarsInput;
}>;


export type GenerateAvatarsMutation = { generateAvatars: { generation: { id: string, status: GenerationStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, prompts: Array<{ style: string, prompt: string | null, count: number }>, missing: Array<{ count: number, mayArrive: boolean, failure: { code: FailureCode, message: string, retryable: boolean } }>, model: { id: string, name: string } | null, avatars: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }> } } | null };

export type CancelGenerationMutationVariables = Exact<{
  id: string;
}>;


export type CancelGenerationMutation = { cancelGeneration: { generation: { id: string, status: GenerationStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, prompts: Array<{ style: string, prompt: string | null, count: number }>, missing: Array<{ count: number, mayArrive: boolean, failure: { code: FailureCode, message: string, retryable: boolean } }>, model: { id: string, name: string } | null, avatars: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }> } } | null };

export type RetryGenerationMutationVariables = Exact<{
  input: RetryGenerationInput;
}>;


export type RetryGenerationMutation = { retryGeneration: { generation: { id: string, status: GenerationStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, prompts: Array<{ style: string, prompt: string | null, count: number }>, missing: Array<{ count: number, mayArrive: boolean, failure: { code: FailureCode, message: string, retryable: boolean } }>, model: { id: string, name: string } | null, avatars: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }> } } | null };

export type DeleteGenerationMutationVariables = Exact<{
  id: string;
}>;


export type DeleteGenerationMutation = { deleteGeneration: { deletedId: string } | null };

export type SetFavoriteMutationVariables = Exact<{
  avatarIds: Array<string> | string;
  favorite: boolean;
}>;


export type SetFavoriteMutation = { setFavorite: { avatars: Array<{ id: string, favorite: boolean }> } | null };

export type DeleteAvatarMutationVariables = Exact<{
  id: string;
}>;


export type DeleteAvatarMutation = { deleteAvatar: { deletedId: string } | null };

export type DownloadAvatarsMutationVariables = Exact<{
  select: AvatarSelectionInput;
}>;


export type DownloadAvatarsMutation = { downloadAvatars: { url: string, expiresAt: string, avatarCount: number, byteSize: number } | null };

export type ExportMyDataMutationVariables = Exact<{ [key: string]: never; }>;


export type ExportMyDataMutation = { exportMyData: { url: string, expiresAt: string } | null };

export type DeleteMyDataMutationVariables = Exact<{
  confirm: string;
}>;


export type DeleteMyDataMutation = { deleteMyData: { erasure: { receipt: string, erasedAt: string, counts: { avatars: number, generations: number, models: number, photos: number } } } | null };

export type SessionQueryVariables = Exact<{ [key: string]: never; }>;


export type SessionQuery = { viewer: { activityCursor: string, owner: string, grantedScopes: Array<Scope> }, capabilities: { maxModelNameLength: number, consentVersion: string | null, avatarTypes: Array<{ type: AvatarType, minPhotos: number, maxPhotos: number }>, photos: { contentTypes: Array<string>, maxByteSize: number, minSide: number, maxFiles: number }, prompts: { maxPrompts: number, maxLength: number, maxAvatars: number } } | null, styles: Array<{ key: string, name: string, description: string, isDefault: boolean, exampleUrl: string | null }> | null };

export type ModelsQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
  filter?: AvatarModelFilter | null | undefined;
  orderBy: AvatarModelOrder;
}>;


export type ModelsQuery = { models: { totalCount: number, nodes: Array<{ id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null };

export type ModelQueryVariables = Exact<{
  id: string;
}>;


export type ModelQuery = { model: { id: string, name: string, type: AvatarType, status: ModelStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, cover: { id: string, thumbhash: string, thumbnailUrl: string } | null } | null };

export type GenerationsQueryVariables = Exact<{
  modelId: string;
  first: number;
  after?: string | null | undefined;
}>;


export type GenerationsQuery = { generations: { nodes: Array<{ id: string, status: GenerationStatus, progress: number, attempt: number, canCancel: boolean, canRetry: boolean, queuePosition: number | null, createdAt: string, updatedAt: string, estimatedReadyAt: string | null, estimatedReadyBetween: { earliest: string, latest: string } | null, failure: { code: FailureCode, message: string, retryable: boolean } | null, prompts: Array<{ style: string, prompt: string | null, count: number }>, missing: Array<{ count: number, mayArrive: boolean, failure: { code: FailureCode, message: string, retryable: boolean } }>, model: { id: string, name: string } | null, avatars: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }> }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null };

export type AvatarsQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
  filter?: AvatarFilter | null | undefined;
  orderBy: AvatarOrder;
}>;


export type AvatarsQuery = { avatars: { totalCount: number, nodes: Array<{ id: string, style: string, prompt: string | null, favorite: boolean, filename: string, thumbhash: string, width: number, height: number, createdAt: string, downloadUrl: string, thumbnailUrl: string, largeUrl: string }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null };

export type AvatarDetailsQueryVariables = Exact<{
  id: string;
}>;


export type AvatarDetailsQuery = { avatar: { id: string, byteSize: number, contentType: string, provenance: { provider: string, isSandbox: boolean, generatedAt: string, hasContentCredentials: boolean } } | null };

export type PhotosQueryVariables = Exact<{
  ids: Array<string> | string;
}>;


export type PhotosQuery = { nodes: Array<
    | { __typename: 'Avatar' }
    | { __typename: 'AvatarModel' }
    | { __typename: 'ClientToken' }
    | { __typename: 'Generation' }
    | { __typename: 'LedgerEntry' }
    | { __typename: 'Notice' }
    | { __typename: 'Photo', id: string, filename: string | null, status: PhotoStatus, url: string | null, problems: Array<{ code: PhotoProblemCode, message: string }> }
    | { __typename: 'Webhook' }
    | { __typename: 'WebhookDelivery' }
   | null> | null };

export type AccountQueryVariables = Exact<{ [key: string]: never; }>;


export type AccountQuery = { viewer: { owner: string, limits: { trainingsPerDay: number | null, avatarsPerDay: number | null, running: number | null, spendPerDay: { amount: string, currency: string } | null, spendPerMonth: { amount: string, currency: string } | null }, usage: { trainingsToday: number, avatarsToday: number, running: number, resetsAt: string, spentToday: { amount: string, currency: string } | null, spentThisMonth: { amount: string, currency: string } | null }, notices: { nodes: Array<{ id: string, kind: NoticeKind, message: string, createdAt: string }> } } };

export type EstimateCostQueryVariables = Exact<{
  input: EstimateCostInput;
}>;


export type EstimateCostQuery = { estimateCost: { refusal: ErrorCode | null, total: { amount: string, currency: string } | null } | null };

export const FailureFieldsFragmentDoc = gql`
    fragment FailureFields on Failure {
  code
  message
  retryable
}
    ` as unknown as DocumentNode<FailureFieldsFragment, unknown>;
export const ModelFieldsFragmentDoc = gql`
    fragment ModelFields on AvatarModel {
  id
  name
  type
  status
  progress
  attempt
  canCancel
  canRetry
  queuePosition
  createdAt
  updatedAt
  estimatedReadyAt
  estimatedReadyBetween {
    earliest
    latest
  }
  failure {
    ...FailureFields
  }
  cover {
    id
    thumbhash
    thumbnailUrl: url(size: PX_256)
  }
}
    ` as unknown as DocumentNode<ModelFieldsFragment, unknown>;
export const AvatarFieldsFragmentDoc = gql`
    fragment AvatarFields on Avatar {
  id
  style
  prompt
  favorite
  filename
  thumbhash
  width
  height
  createdAt
  thumbnailUrl: url(size: PX_256)
  largeUrl: url(size: PX_1024)
  downloadUrl
}
    ` as unknown as DocumentNode<AvatarFieldsFragment, unknown>;
export const GenerationFieldsFragmentDoc = gql`
    fragment GenerationFields on Generation {
  id
  status
  progress
  attempt
  canCancel
  canRetry
  queuePosition
  createdAt
  updatedAt
  estimatedReadyAt
  estimatedReadyBetween {
    earliest
    latest
  }
  failure {
    ...FailureFields
  }
  prompts {
    style
    prompt
    count
  }
  missing {
    count
    mayArrive
    failure {
      ...FailureFields
    }
  }
  model {
    id
    name
  }
  avatars {
    ...AvatarFields
  }
}
    ` as unknown as DocumentNode<GenerationFieldsFragment, unknown>;
export const PhotoFieldsFragmentDoc = gql`
    fragment PhotoFields on Photo {
  id
  filename
  status
  url
  problems {
    code
    message
  }
}
    ` as unknown as DocumentNode<PhotoFieldsFragment, unknown>;
export const ActivityDocument = gql`
    subscription Activity($after: String) {
  activity(after: $after) {
    cursor
    isSnapshot
    isEstimate
    occurredAt
    change {
      __typename
      ... on ModelChanged {
        modelId
        modelStatus: status
        model {
          ...ModelFields
        }
      }
      ... on GenerationChanged {
        generationId
        generationStatus: status
        generation {
          ...GenerationFields
        }
      }
      ... on AvatarCreated {
        avatarId
        avatar {
          ...AvatarFields
          generation {
            id
            avatars {
              id
            }
            model {
              id
              cover {
                id
                thumbhash
                thumbnailUrl: url(size: PX_256)
              }
            }
          }
        }
      }
      ... on AvatarChanged {
        avatarId
        avatar {
          id
          favorite
        }
      }
      ... on ModelDeleted {
        modelId
      }
      ... on GenerationDeleted {
        generationId
      }
      ... on AvatarDeleted {
        avatarId
        generationId
      }
      ... on CaughtUp {
        hasGap
      }
    }
  }
}
    ${ModelFieldsFragmentDoc}
${FailureFieldsFragmentDoc}
${GenerationFieldsFragmentDoc}
${AvatarFieldsFragmentDoc}` as unknown as DocumentNode<ActivitySubscription, ActivitySubscriptionVariables>;
export const CreatePhotoUploadsDocument = gql`
    mutation CreatePhotoUploads($files: [PhotoFileInput!]!) {
  createPhotoUploads(input: {files: $files}) {
    uploads {
      photo {
        ...PhotoFields
      }
      uploadUrl
      headers {
        name
        value
      }
      problems {
        code
        message
      }
    }
  }
}
    ${PhotoFieldsFragmentDoc}` as unknown as DocumentNode<CreatePhotoUploadsMutation, CreatePhotoUploadsMutationVariables>;
export const DeletePhotoDocument = gql`
    mutation DeletePhoto($id: ID!) {
  deletePhoto(input: {id: $id}) {
    deletedId
  }
}
    ` as unknown as DocumentNode<DeletePhotoMutation, DeletePhotoMutationVariables>;
export const TrainModelDocument = gql`
    mutation TrainModel($input: TrainModelInput!) {
  trainModel(input: $input) {
    model {
      ...ModelFields
    }
  }
}
    ${ModelFieldsFragmentDoc}
${FailureFieldsFragmentDoc}` as unknown as DocumentNode<TrainModelMutation, TrainModelMutationVariables>;
export const RenameModelDocument = gql`
    mutation RenameModel($id: ID!, $name: String!) {
  renameModel(input: {id: $id, name: $name}) {
    model {
      id
      name
      updatedAt
    }
  }
}
    ` as unknown as DocumentNode<RenameModelMutation, RenameModelMutationVariables>;
export const CancelModelDocument = gql`
    mutation CancelModel($id: ID!) {
  cancelModel(input: {id: $id}) {
    model {
      ...ModelFields
    }
  }
}
    ${ModelFieldsFragmentDoc}
${FailureFieldsFragmentDoc}` as unknown as DocumentNode<CancelModelMutation, CancelModelMutationVariables>;
export const RetryModelDocument = gql`
    mutation RetryModel($input: RetryModelInput!) {
  retryModel(input: $input) {
    model {
      ...ModelFields
    }
  }
}
    ${ModelFieldsFragmentDoc}
${FailureFieldsFragmentDoc}` as unknown as DocumentNode<RetryModelMutation, RetryModelMutationVariables>;
export const DeleteModelDocument = gql`
    mutation DeleteModel($id: ID!) {
  deleteModel(input: {id: $id}) {
    deletedId
  }
}
    ` as unknown as DocumentNode<DeleteModelMutation, DeleteModelMutationVariables>;
export const GenerateAvatarsDocument = gql`
    mutation GenerateAvatars($input: GenerateAvatarsInput!) {
  generateAvatars(input: $input) {
    generation {
      ...GenerationFields
    }
  }
}
    ${GenerationFieldsFragmentDoc}
${FailureFieldsFragmentDoc}
${AvatarFieldsFragmentDoc}` as unknown as DocumentNode<GenerateAvatarsMutation, GenerateAvatarsMutationVariables>;
export const CancelGenerationDocument = gql`
    mutation CancelGeneration($id: ID!) {
  cancelGeneration(input: {id: $id}) {
    generation {
      ...GenerationFields
    }
  }
}
    ${GenerationFieldsFragmentDoc}
${FailureFieldsFragmentDoc}
${AvatarFieldsFragmentDoc}` as unknown as DocumentNode<CancelGenerationMutation, CancelGenerationMutationVariables>;
export const RetryGenerationDocument = gql`
    mutation RetryGeneration($input: RetryGenerationInput!) {
  retryGeneration(input: $input) {
    generation {
      ...GenerationFields
    }
  }
}
    ${GenerationFieldsFragmentDoc}
${FailureFieldsFragmentDoc}
${AvatarFieldsFragmentDoc}` as unknown as DocumentNode<RetryGenerationMutation, RetryGenerationMutationVariables>;
export const DeleteGenerationDocument = gql`
    mutation DeleteGeneration($id: ID!) {
  deleteGeneration(input: {id: $id}) {
    deletedId
  }
}
    ` as unknown as DocumentNode<DeleteGenerationMutation, DeleteGenerationMutationVariables>;
export const SetFavoriteDocument = gql`
    mutation SetFavorite($avatarIds: [ID!]!, $favorite: Boolean!) {
  setFavorite(input: {avatarIds: $avatarIds, favorite: $favorite}) {
    avatars {
      id
      favorite
    }
  }
}
    ` as unknown as DocumentNode<SetFavoriteMutation, SetFavoriteMutationVariables>;
export const DeleteAvatarDocument = gql`
    mutation DeleteAvatar($id: ID!) {
  deleteAvatar(input: {id: $id}) {
    deletedId
  }
}
    ` as unknown as DocumentNode<DeleteAvatarMutation, DeleteAvatarMutationVariables>;
export const DownloadAvatarsDocument = gql`
    mutation DownloadAvatars($select: AvatarSelectionInput!) {
  downloadAvatars(input: {select: $select}) {
    url
    expiresAt
    avatarCount
    byteSize
  }
}
    ` as unknown as DocumentNode<DownloadAvatarsMutation, DownloadAvatarsMutationVariables>;
export const ExportMyDataDocument = gql`
    mutation ExportMyData {
  exportMyData {
    url
    expiresAt
  }
}
    ` as unknown as DocumentNode<ExportMyDataMutation, ExportMyDataMutationVariables>;
export const DeleteMyDataDocument = gql`
    mutation DeleteMyData($confirm: String!) {
  deleteMyData(input: {confirm: $confirm}) {
    erasure {
      receipt
      erasedAt
      counts {
        avatars
        generations
        models
        photos
      }
    }
  }
}
    ` as unknown as DocumentNode<DeleteMyDataMutation, DeleteMyDataMutationVariables>;
export const SessionDocument = gql`
    query Session {
  viewer {
    activityCursor
    owner
    grantedScopes
  }
  capabilities {
    avatarTypes {
      type
      minPhotos
      maxPhotos
    }
    photos {
      contentTypes
      maxByteSize
      minSide
      maxFiles
    }
    prompts {
      maxPrompts
      maxLength
      maxAvatars
    }
    maxModelNameLength
    consentVersion
  }
  styles {
    key
    name
    description
    isDefault
    exampleUrl
  }
}
    ` as unknown as DocumentNode<SessionQuery, SessionQueryVariables>;
export const ModelsDocument = gql`
    query Models($first: Int!, $after: String, $filter: AvatarModelFilter, $orderBy: AvatarModelOrder!) {
  models(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    totalCount
    nodes {
      ...ModelFields
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    ${ModelFieldsFragmentDoc}
${FailureFieldsFragmentDoc}` as unknown as DocumentNode<ModelsQuery, ModelsQueryVariables>;
export const ModelDocument = gql`
    query Model($id: ID!) {
  model(id: $id) {
    ...ModelFields
  }
}
    ${ModelFieldsFragmentDoc}
${FailureFieldsFragmentDoc}` as unknown as DocumentNode<ModelQuery, ModelQueryVariables>;
export const GenerationsDocument = gql`
    query Generations($modelId: ID!, $first: Int!, $after: String) {
  generations(filter: {modelId: $modelId}, first: $first, after: $after) {
    nodes {
      ...GenerationFields
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    ${GenerationFieldsFragmentDoc}
${FailureFieldsFragmentDoc}
${AvatarFieldsFragmentDoc}` as unknown as DocumentNode<GenerationsQuery, GenerationsQueryVariables>;
export const AvatarsDocument = gql`
    query Avatars($first: Int!, $after: String, $filter: AvatarFilter, $orderBy: AvatarOrder!) {
  avatars(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    totalCount
    nodes {
      ...AvatarFields
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    ${AvatarFieldsFragmentDoc}` as unknown as DocumentNode<AvatarsQuery, AvatarsQueryVariables>;
export const AvatarDetailsDocument = gql`
    query AvatarDetails($id: ID!) {
  avatar(id: $id) {
    id
    byteSize
    contentType
    provenance {
      provider
      isSandbox
      generatedAt
      hasContentCredentials
    }
  }
}
    ` as unknown as DocumentNode<AvatarDetailsQuery, AvatarDetailsQueryVariables>;
export const PhotosDocument = gql`
    query Photos($ids: [ID!]!) {
  nodes(ids: $ids) {
    __typename
    ... on Photo {
      ...PhotoFields
    }
  }
}
    ${PhotoFieldsFragmentDoc}` as unknown as DocumentNode<PhotosQuery, PhotosQueryVariables>;
export const AccountDocument = gql`
    query Account {
  viewer {
    owner
    limits {
      trainingsPerDay
      avatarsPerDay
      running
      spendPerDay {
        amount
        currency
      }
      spendPerMonth {
        amount
        currency
      }
    }
    usage {
      trainingsToday
      avatarsToday
      running
      resetsAt
      spentToday {
        amount
        currency
      }
      spentThisMonth {
        amount
        currency
      }
    }
    notices(first: 20) {
      nodes {
        id
        kind
        message
        createdAt
      }
    }
  }
}
    ` as unknown as DocumentNode<AccountQuery, AccountQueryVariables>;
export const EstimateCostDocument = gql`
    query EstimateCost($input: EstimateCostInput!) {
  estimateCost(input: $input) {
    refusal
    total {
      amount
      currency
    }
  }
}
    ` as unknown as DocumentNode<EstimateCostQuery, EstimateCostQueryVariables>;