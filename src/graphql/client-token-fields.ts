const names = (text: string): readonly string[] => text.split(/\s+/).filter((name) => name !== '');

/**
 * The root fields that client tokens may use. Others are refused, so that a new field is closed to them until it is
 * listed. Missing on purpose: what grants access (`createClientToken`, webhooks), what concerns the whole account
 * (`exportMyData`, `deleteMyData`, `erasure`), and `operator`.
 */
export const fieldsOfTokens: ReadonlySet<string> = new Set(
  names(`
    viewer node nodes model models generation generations avatar avatars photo photos capabilities providers styles
    estimateCost ledger
    createPhotoUploads deletePhoto trainModel generateAvatars generateInstantAvatars renameModel setFavorite
    cancelModel cancelModels retryModel retryModels deleteModel deleteModels
    cancelGeneration cancelGenerations retryGeneration retryGenerations deleteGeneration deleteGenerations
    deleteAvatar deleteAvatars downloadAvatars
    trainingProgress generationProgress avatarCompleted activity`),
);

/** Types that no token may read, also by `node`: the URL of a webhook often contains a secret. */
export const typesClosedToTokens: ReadonlySet<string> = new Set(['Webhook', 'WebhookDelivery']);

/**
 * The fields that tokens for one model or generation may use, by type. Every other field is refused, in every selection:
 * a new field is closed to them until it is listed. Of root fields, those are listed that name their objects by ids,
 * all of which are checked, or return nothing of the owner's other objects. Interfaces are listed by their own names.
 */
export const fieldsOfRestrictedTokens: Readonly<Record<string, readonly string[]>> = {
  Query: names('viewer node nodes model generation avatar capabilities providers styles'),
  Mutation: names(
    'createPhotoUploads generateAvatars renameModel setFavorite cancelModel retryModel cancelGeneration retryGeneration',
  ),
  Subscription: names('trainingProgress generationProgress avatarCompleted'),
  Node: names('id'),
  Job: names(
    'id attempt canCancel canRetry createdAt cursor estimatedReadyAt estimatedReadyBetween failure priority progress startBy timeline updatedAt',
  ),
  AvatarModel: names(
    `id attempt avatars canCancel canRetry consentAt consentVersion cover createdAt cursor estimatedReadyAt
     estimatedReadyBetween failure generations name photosDeletedAt priority progress provider readyAt startBy status
     submittedAt timeline type updatedAt`,
  ),
  Generation: names(
    `id attempt avatarCount avatars canCancel canRetry completedAt consentAt consentVersion createdAt cursor
     estimatedReadyAt estimatedReadyBetween failure missing priority progress prompts provider requestedCount startBy
     status submittedAt timeline updatedAt`,
  ),
  Avatar: names(
    `id byteSize contentType createdAt downloadUrl favorite filename generation height placeholder prompt provenance
     sha256 style thumbhash url width`,
  ),
  Photo: names(
    'id byteSize createdAt filename height originalHeight originalWidth problems status url width',
  ),
  Viewer: names('owner grantedScopes scopes'),
  GenerationConnection: names('edges nodes pageInfo totalCount'),
  GenerationEdge: names('cursor node'),
  AvatarConnection: names('edges nodes pageInfo totalCount'),
  AvatarEdge: names('cursor node'),
  PageInfo: names('endCursor hasNextPage hasPreviousPage startCursor'),
  TimelineEntryConnection: names('edges nodes pageInfo totalCount'),
  TimelineEntryEdge: names('cursor node'),
  TimelineEntry: names('attempt call kind message occurredAt'),
  UpstreamCall: names('correlationId durationMs httpStatus'),
  Failure: names('code message retryable'),
  TimeRange: names('earliest latest'),
  GenerationPrompt: names('count negativePrompt prompt style'),
  MissingAvatars: names('count failure mayArrive prompt promptIndex'),
  Provenance: names('digitalSourceType generatedAt hasContentCredentials isSandbox prompt provider style'),
  Capabilities: names(
    'avatarTypes consentVersion hasInstantAvatars maxModelNameLength photos prompts providers',
  ),
  AvatarTypeCapabilities: names('maxPhotos minPhotos type'),
  PhotoCapabilities: names(
    'contentTypes maxByteSize maxFilenameLength maxFiles maxPixels maxProgressivePixels maxUnused minSide',
  ),
  PromptCapabilities: names('maxAvatars maxLength maxPrompts'),
  Provider: names('isDefault key maxAvatars maxPhotos minPhotos name styles'),
  Style: names('description exampleUrl id isDefault key name'),
  TrainingProgress: names(
    `cursor estimatedReadyAt estimatedReadyBetween failure isEstimate isSnapshot model occurredAt progress status`,
  ),
  GenerationProgress: names(
    `cursor estimatedReadyAt estimatedReadyBetween failure generation isEstimate isSnapshot occurredAt progress status`,
  ),
  AvatarCompleted: names('avatar cursor isSnapshot occurredAt'),
  CreatePhotoUploadsPayload: names('uploads'),
  PhotoUpload: names('expiresAt headers photo problems uploadUrl'),
  PhotoProblem: names('code message'),
  UploadHeader: names('name value'),
  InputProblem: names('code field message'),
  GenerateAvatarsPayload: names('generation'),
  RenameModelPayload: names('model'),
  SetFavoritePayload: names('avatars'),
  CancelModelPayload: names('model'),
  RetryModelPayload: names('model'),
  CancelGenerationPayload: names('generation'),
  RetryGenerationPayload: names('generation'),
};

/** Fields that tokens for one model may use besides {@link fieldsOfRestrictedTokens}: they stay within the model. */
export const fieldsOfModelTokens: readonly string[] = [
  'Generation.model',
  'Avatar.model',
  'AvatarModel.providerModelId',
  'Provenance.providerModelId',
];
