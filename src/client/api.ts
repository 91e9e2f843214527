/**
 * The part of the API that the client selects. The clients suite compares these types with those that GraphQL Code
 * Generator makes from the schema. Enums have any text beside the known values, since values are added.
 */

/** A known value, or one that a later server has added. */
type Open<Values extends string> = Values | (string & Record<never, never>);

/** The subject of the photos. */
export type AvatarType = 'CAT' | 'COUPLE' | 'DOG' | 'MAN' | 'WOMAN';
/** How far a training is. */
export type ModelStatus = Open<
  'CANCELLED' | 'FAILED' | 'QUEUED' | 'READY' | 'SUBMITTING' | 'TRAINING' | 'UNCERTAIN'
>;
/** How far a generation is. */
export type GenerationStatus = Open<
  | 'CANCELLED'
  | 'COMPLETED'
  | 'FAILED'
  | 'GENERATING'
  | 'PARTIAL'
  | 'QUEUED'
  | 'STORING'
  | 'SUBMITTING'
  | 'UNCERTAIN'
>;
/** The order among your own waiting jobs. */
export type JobPriority = 'HIGH' | 'LOW' | 'NORMAL';

/** Why a job failed; see docs/errors.md. */
export interface Failure {
  code: string;
  message: string;
  /** Whether a retry is accepted. */
  retryable: boolean;
}

/** Two times, ISO 8601. */
export interface TimeRange {
  earliest: string;
  latest: string;
}

interface Job {
  id: string;
  /** Percent, 0 to 100. */
  progress: number;
  /** The number of attempts that were submitted. */
  attempt: number;
  canCancel: boolean;
  canRetry: boolean;
  /** Pass it as `after` to `watch`, which then misses no later change. */
  cursor: string;
  createdAt: string;
  /** When it last changed. */
  updatedAt: string;
  /** Its place among your waiting jobs of the same kind; 1 is next. Null unless QUEUED. */
  queuePosition: number | null;
  /** Cancelled, free of charge, if it is still QUEUED then. */
  startBy: string | null;
  priority: JobPriority;
  estimatedReadyAt: string | null;
  estimatedReadyBetween: TimeRange | null;
  failure: Failure | null;
}

/** A model that is trained from photos. */
export interface Model extends Job {
  status: ModelStatus;
  name: string;
  type: AvatarType;
  /** When its photos are deleted, after which it cannot be retried; null if that is not known yet. */
  photosDeletedAt: string | null;
}

/** A request for avatars. */
export interface Generation extends Job {
  status: GenerationStatus;
  requestedCount: number;
  /** How many can be opened now. */
  avatarCount: number;
}

/** A stored avatar. URLs are signed: they open the picture without further credentials for one to two hours. */
export interface Avatar {
  id: string;
  style: string;
  prompt: string | null;
  favorite: boolean;
  filename: string;
  createdAt: string;
  width: number;
  height: number;
  byteSize: number;
  contentType: string;
  /** Of the original's bytes, in lower-case hexadecimal. */
  sha256: string;
  /** A blur hash (blurha.sh). */
  placeholder: string;
  /** A ThumbHash, base64. */
  thumbhash: string;
  /** The original. */
  url: string;
  /** At most 512 × 512 pixels, JPEG. */
  preview: string;
  /** The original, saved by browsers as `filename`. */
  downloadUrl: string;
  generation: { id: string } | null;
}

/** A page of avatars. */
export interface AvatarPage {
  nodes: Avatar[];
  pageInfo: { endCursor: string | null; hasNextPage: boolean };
}

interface Event {
  /** Pass it as `after`, for example after the page was closed. */
  cursor: string;
  /** True for the present state, not a change. */
  isSnapshot: boolean;
  /** ISO 8601. */
  occurredAt: string;
}

interface ProgressEvent extends Event {
  /** True for estimated progress between changes. */
  isEstimate: boolean;
  progress: number;
  estimatedReadyAt: string | null;
  estimatedReadyBetween: TimeRange | null;
  failure: Failure | null;
}

/** A change of a training. */
export interface TrainingProgressEvent extends ProgressEvent {
  __typename: 'TrainingProgress';
  status: ModelStatus;
  /** As it is now, never older than this change. */
  model: Pick<Model, 'id' | 'photosDeletedAt' | 'queuePosition' | 'updatedAt'>;
}

/** A change of a generation. */
export interface GenerationProgressEvent extends ProgressEvent {
  __typename: 'GenerationProgress';
  status: GenerationStatus;
  /** As it is now, never older than this change. */
  generation: Pick<Generation, 'avatarCount' | 'id' | 'queuePosition' | 'requestedCount' | 'updatedAt'>;
}

/** A stored avatar of a generation or model. */
export interface AvatarEvent extends Event {
  __typename: 'AvatarCompleted';
  avatar: Avatar;
}

interface JobChange {
  progress: number;
  failure: Failure | null;
  estimatedReadyBetween: TimeRange | null;
}

/** What happened. Ignore a `__typename` that you do not know. */
export type ActivityChange =
  | (JobChange & {
      __typename: 'ModelChanged';
      modelId: string;
      modelStatus: ModelStatus;
      model: { id: string; name: string } | null;
    })
  | (JobChange & {
      __typename: 'GenerationChanged';
      generationId: string;
      generationStatus: GenerationStatus;
      generation: { id: string; model: { id: string } | null } | null;
    })
  | { __typename: 'AvatarCreated'; avatarId: string; avatar: Avatar | null }
  | { __typename: 'AvatarChanged'; avatarId: string; avatar: Avatar | null }
  | { __typename: 'ModelDeleted'; deletedModelId: string }
  | { __typename: 'GenerationDeleted'; deletedGenerationId: string }
  | { __typename: 'AvatarDeleted'; deletedAvatarId: string; generationId: string }
  | { __typename: 'NoticeCreated'; notice: Notice }
  /** From here on everything is live. `hasGap`: `after` was too old; fetch again what you show. */
  | { __typename: 'CaughtUp'; hasGap: boolean };

/** A message from the server to its user. */
export interface Notice {
  id: string;
  kind: Open<'SPENDING_LIMIT_NEAR' | 'WEBHOOK_DISABLED'>;
  message: string;
  createdAt: string;
}

/** A message of `activity`. */
export interface ActivityEvent extends Event {
  __typename: 'Activity';
  isEstimate: boolean;
  change: ActivityChange;
}

/** Which activity. */
export interface WatchActivity {
  filter?: {
    kinds?: ('AVATAR' | 'GENERATION' | 'MODEL' | 'NOTICE')[] | null;
    modelIds?: string[] | null;
  } | null;
  /** Whether to send estimated progress between changes. Default: true. */
  estimates?: boolean;
}

/** An upload slot, one for each file. */
export interface PhotoUpload {
  photo: { id: string };
  uploadUrl: string;
  headers: { name: string; value: string }[];
  /** Not empty if the file would be refused. */
  problems: { code: string; field: string; message: string }[];
}

/** A photo that was uploaded to the server's bucket. */
export interface UploadedPhoto {
  status: Open<'AWAITING_UPLOAD' | 'FETCHING' | 'PURGED' | 'READY' | 'REJECTED'>;
  /** The reasons if it is REJECTED. */
  problems: { code: string; message: string }[];
}

/** A photo: exactly one of the fields. */
export type PhotoSource = { photoId: string; url?: never } | { url: string; photoId?: never };

/** The consent of the person in the photos. */
export interface Consent {
  version: string;
  /** ISO 8601. Default: now. */
  givenAt?: string | null;
}

interface Paid {
  /** Default: a new key for each call. */
  idempotencyKey?: string | null;
}

interface JobInput extends Paid {
  priority?: JobPriority;
  /** ISO 8601: cancelled, free of charge, if it is still QUEUED then. */
  startBy?: string | null;
}

/** What `train` takes. */
export interface TrainModelInput extends JobInput {
  type: AvatarType;
  photos: PhotoSource[];
  name?: string;
  /** The `key` of the avatar service. Default: the configured one. */
  provider?: string | null;
  consent?: Consent | null;
}

/** What `generate` takes. */
export interface GenerateAvatarsInput extends JobInput {
  modelId: string;
  prompts: { style?: string | null; prompt?: string | null; count?: number }[];
}

/** What `generateInstant` takes: avatars from one photo, without a model. */
export interface GenerateInstantAvatarsInput extends JobInput {
  photo: PhotoSource;
  prompt: string;
  negativePrompt?: string | null;
  count?: number;
  consent?: Consent | null;
}

/** What `retry` of a model takes. */
export interface RetryModelInput extends Paid {
  id: string;
  /** The attempt that you show: if there has been a later one, nothing is charged. */
  attempt?: number | null;
}

/** What `retry` of a generation takes. */
export interface RetryGenerationInput extends RetryModelInput {
  /** Order only the missing avatars of a PARTIAL generation. */
  missingOnly?: boolean;
}

/** Which avatars, and how many on a page. */
export interface AvatarsVariables {
  /** 1 to 100. Default: 20. */
  first?: number | null;
  after?: string | null;
  orderBy?: 'FAVORITES' | 'NEWEST' | 'OLDEST';
  filter?: {
    favorite?: boolean | null;
    generationId?: string | null;
    modelId?: string | null;
    styles?: string[] | null;
    created?: { from?: string | null; before?: string | null } | null;
  } | null;
}
