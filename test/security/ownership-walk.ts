import type { Belongings } from './two-owners';

const job =
  'id status progress attempt failure { code message } providerModelId: provider cursor updatedAt canCancel canRetry';
const modelFields = `${job} name photosDeletedAt photos { id url filename } generations { nodes { id prompts { prompt } avatars { id url } } } avatars { nodes { id url } } cover { id url }`;
const generationFields = `${job} requestedCount avatarCount first: avatars(first: 1) { id } prompts { prompt } model { id name } avatars { id url prompt }`;
const avatarFields = 'id url style prompt favorite generation { id } model { id name }';
const recordFields =
  '... on Notice { message } ... on LedgerEntry { kind amount { amount } job { id } } ... on ClientToken { scopes usesLeft } ... on Webhook { hook: url } ... on WebhookDelivery { eventType subjectId }';
const photoFields = 'id status url filename';

/** A place of the schema that takes an id, and how the id is passed. */
export interface Row {
  place: string;
  query: string;
  /** The variables for an id; `mine` are the ids of the caller. */
  variables: (id: string, mine: Belongings) => Record<string, unknown>;
  /**
   * Which of an owner's own ids returns data there. Null for the receipt of an erasure, which anyone with the receipt
   * can read, since the erased person has no account, for styles, and for client tokens, which users cannot create.
   */
  own: keyof Belongings | null;
}

const byId = (field: string, selection: string, own: keyof Belongings): Row => ({
  place: `Query.${field}(id)`,
  query: `query ($id: ID!) { ${field}(id: $id) { ${selection} } }`,
  variables: (id) => ({ id }),
  own,
});
const changing = (field: string, selection: string, own: keyof Belongings): Row => ({
  place: `Mutation.${field}(input.id)`,
  query: `mutation ($id: ID!) { ${field}(input: { id: $id }) { ${selection} } }`,
  variables: (id) => ({ id }),
  own,
});
const changingDeprecated = (field: string, selection: string, own: keyof Belongings): Row => ({
  ...changing(field, selection, own),
  place: `Mutation.${field}(id)`,
  query: `mutation ($id: ID!) { ${field}(id: $id) { ${selection} } }`,
});
const changingInBothForms = (field: string, selection: string, own: keyof Belongings): Row[] => [
  changing(field, selection, own),
  changingDeprecated(field, selection, own),
];

/** An estimate of a request with an id. */
const estimating = (
  path: string,
  own: keyof Belongings,
  input: (id: string, mine: Belongings) => object,
): Row => ({
  place: `Query.estimateCost(input.${path})`,
  query: 'query ($input: EstimateCostInput!) { estimateCost(input: $input) { total { amount } refusal } }',
  variables: (id, mine) => ({ input: input(id, mine) }),
  own,
});

/** A filter of a list: of the caller, or of the caller's model. Styles are no ids of objects. */
const filtering = (list: string, path: string, own: keyof Belongings | null): Row => {
  const [type, field] = list.split('.') as ['Query' | 'AvatarModel', 'generations' | 'avatars'];
  const condition = path.split('.')[1]!;
  const fields = field === 'avatars' ? avatarFields : generationFields;
  const selection = `${field}(filter: $filter) { totalCount nodes { ${fields} } }`;
  const filter = field === 'avatars' ? 'AvatarFilter' : 'GenerationFilter';
  const isNested = type === 'AvatarModel';
  return {
    place: `${list}(${path})`,
    query: isNested
      ? `query ($model: ID!, $filter: ${filter}) { model(id: $model) { ${selection} } }`
      : `query ($filter: ${filter}) { ${selection} }`,
    variables: (id, mine) => ({
      filter: { [condition]: condition === 'styles' ? [id] : id },
      ...(isNested && { model: mine.readyModel }),
    }),
    own,
  };
};

/** Whether an id is of the caller: of theirs a bulk mutation only counts, since other places need them later. */
const isOwn = (id: string, mine: Belongings): boolean => Object.values(mine).flat().includes(id);

/** A selection with the id at a path. */
const selected = (path: string, id: string): unknown =>
  path
    .split('.')
    .reverse()
    .reduce<unknown>((value, name) => ({ [name]: value }), path === 'ids' ? [id] : id);

/** A bulk mutation, with the id at the path within `select`. */
const selecting = (mutation: string, path: string, own: keyof Belongings): Row => {
  const isRetry = mutation.startsWith('retry');
  const type = `${mutation[0]!.toUpperCase()}${mutation.slice(1)}Input`;
  return {
    place: `Mutation.${mutation}(input.select.${path})`,
    query: `mutation ($input: ${type}!) { ${mutation}(input: $input) { result { matchedCount changedCount hasMore failures { id code message } } } }`,
    variables: (id, mine) => ({
      input: {
        select: selected(path, id),
        dryRun: isOwn(id, mine),
        ...(isRetry && { expectedCount: 1, idempotencyKey: `retry-${id}` }),
      },
    }),
    own,
  };
};

/** Every place that takes an id. Deletions are last, since the owner performs them too. */
export const walk: readonly Row[] = [
  byId('model', modelFields, 'readyModel'),
  byId('generation', generationFields, 'completedGeneration'),
  byId('photo', photoFields, 'photo'),
  byId('avatar', avatarFields, 'avatar'),
  {
    place: 'Query.nodes(ids)',
    query: `query ($id: ID!) { nodes(ids: [$id]) { __typename id ... on Photo { url filename } ${recordFields} } }`,
    variables: (id) => ({ id }),
    own: 'photo',
  },
  filtering('Query.generations', 'filter.modelId', 'readyModel'),
  filtering('Query.avatars', 'filter.modelId', 'readyModel'),
  filtering('Query.avatars', 'filter.generationId', 'completedGeneration'),
  filtering('AvatarModel.generations', 'filter.modelId', 'readyModel'),
  filtering('AvatarModel.avatars', 'filter.modelId', 'readyModel'),
  filtering('AvatarModel.avatars', 'filter.generationId', 'completedGeneration'),
  byId(
    'node',
    `__typename id ... on AvatarModel { ${modelFields} } ... on Generation { prompts { prompt } pictures: avatars { url } } ... on Avatar { picture: url prompt } ... on Photo { photo: url filename } ${recordFields}`,
    'avatar',
  ),
  {
    place: 'Subscription.trainingProgress(modelId)',
    query: `subscription ($id: ID!) { trainingProgress(modelId: $id) { status progress cursor model { ${modelFields} } } }`,
    variables: (id) => ({ id }),
    own: 'readyModel',
  },
  {
    place: 'Subscription.generationProgress(generationId)',
    query: `subscription ($id: ID!) { generationProgress(generationId: $id) { status cursor generation { ${generationFields} } } }`,
    variables: (id) => ({ id }),
    own: 'completedGeneration',
  },
  {
    place: 'Subscription.avatarCompleted(select.generationId)',
    query: `subscription ($id: ID!) { avatarCompleted(select: { generationId: $id }) { cursor avatar { ${avatarFields} } } }`,
    variables: (id) => ({ id }),
    own: 'completedGeneration',
  },
  {
    place: 'Subscription.avatarCompleted(select.modelId)',
    query: `subscription ($id: ID!) { avatarCompleted(select: { modelId: $id }) { cursor avatar { ${avatarFields} } } }`,
    variables: (id) => ({ id }),
    own: 'readyModel',
  },
  {
    place: 'Subscription.avatarCompleted(generationId)',
    query: `subscription ($id: ID!) { avatarCompleted(generationId: $id) { cursor avatar { ${avatarFields} } } }`,
    variables: (id) => ({ id }),
    own: 'completedGeneration',
  },
  {
    place: 'Subscription.avatarCompleted(modelId)',
    query: `subscription ($id: ID!) { avatarCompleted(modelId: $id) { cursor avatar { ${avatarFields} } } }`,
    variables: (id) => ({ id }),
    own: 'readyModel',
  },
  {
    place: 'Mutation.trainModel(input.photos.photoId)',
    query: `mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { ${modelFields} } } }`,
    variables: (id, mine) => ({
      input: { type: 'CAT', photos: [...mine.photos.slice(1), id].map((photoId) => ({ photoId })) },
    }),
    own: 'photo',
  },
  {
    place: 'Mutation.trainModel(input.photoIds)',
    query: `mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { ${modelFields} } } }`,
    variables: (id, mine) => ({ input: { type: 'CAT', photoIds: [...mine.photos.slice(1), id] } }),
    own: 'photo',
  },
  {
    place: 'Mutation.generateAvatars(input.modelId)',
    query: `mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { ${generationFields} } } }`,
    variables: (id) => ({ input: { modelId: id, prompts: [{}] } }),
    own: 'readyModel',
  },
  {
    place: 'Mutation.generateInstantAvatars(input.photo.photoId)',
    query: `mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { ${generationFields} } } }`,
    variables: (id) => ({ input: { photo: { photoId: id }, prompt: 'as a king' } }),
    own: 'photo',
  },
  {
    place: 'Mutation.generateInstantAvatars(input.photoId)',
    query: `mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { ${generationFields} } } }`,
    variables: (id) => ({ input: { photoId: id, prompt: 'as a king' } }),
    own: 'photo',
  },
  {
    place: 'Mutation.renameModel(input.id)',
    query: `mutation ($id: ID!) { renameModel(input: { id: $id, name: "Taken" }) { model { ${modelFields} } } }`,
    variables: (id) => ({ id }),
    own: 'readyModel',
  },
  {
    place: 'Mutation.renameModel(id)',
    query: `mutation ($id: ID!) { renameModel(id: $id, name: "Taken too") { model { ${modelFields} } } }`,
    variables: (id) => ({ id }),
    own: 'readyModel',
  },
  estimating('retry', 'readyModel', (retry) => ({ retry })),
  estimating('generateAvatars.modelId', 'readyModel', (modelId) => ({
    generateAvatars: { modelId, prompts: [{}] },
  })),
  estimating('generateInstantAvatars.photo.photoId', 'photo', (photoId) => ({
    generateInstantAvatars: { photo: { photoId }, prompt: 'p' },
  })),
  estimating('generateInstantAvatars.photoId', 'photo', (photoId) => ({
    generateInstantAvatars: { photoId, prompt: 'p' },
  })),
  estimating('trainModel.photos.photoId', 'photo', (id, mine) => ({
    trainModel: { type: 'CAT', photos: [...mine.photos.slice(1), id].map((photoId) => ({ photoId })) },
  })),
  estimating('trainModel.photoIds', 'photo', (id, mine) => ({
    trainModel: { type: 'CAT', photoIds: [...mine.photos.slice(1), id] },
  })),
  {
    place: 'Query.erasure(receipt)',
    query: 'query ($id: ID!) { erasure(receipt: $id) { receipt erasedAt completedAt } }',
    variables: (id) => ({ id }),
    own: null,
  },
  {
    place: 'Mutation.setFavorite(input.avatarIds)',
    query: `mutation ($id: ID!) { setFavorite(input: { avatarIds: [$id], favorite: true }) { avatars { ${avatarFields} } } }`,
    variables: (id) => ({ id }),
    own: 'avatar',
  },
  {
    place: 'Subscription.activity(filter.modelIds)',
    query: `subscription ($id: ID!) { activity(filter: { modelIds: [$id] }) { change { ... on ModelChanged { model { ${modelFields} } } ... on GenerationChanged { generation { ${generationFields} } } } } }`,
    variables: (id) => ({ id }),
    own: 'waitingModel',
  },
  ...['cancelModels', 'retryModels', 'deleteModels'].map((mutation) =>
    selecting(mutation, 'ids', mutation === 'retryModels' ? 'failedModel' : 'waitingModel'),
  ),
  selecting('cancelGenerations', 'ids', 'waitingGeneration'),
  selecting('retryGenerations', 'ids', 'failedGeneration'),
  selecting('deleteGenerations', 'ids', 'completedGeneration'),
  ...['cancelGenerations', 'retryGenerations', 'deleteGenerations'].map((mutation) =>
    selecting(mutation, 'filter.modelId', 'readyModel'),
  ),
  selecting('deleteAvatars', 'ids', 'avatar'),
  selecting('deleteAvatars', 'modelId', 'readyModel'),
  selecting('deleteAvatars', 'generationId', 'completedGeneration'),
  selecting('deleteAvatars', 'filter.modelId', 'readyModel'),
  selecting('deleteAvatars', 'filter.generationId', 'completedGeneration'),
  ...(
    [
      ['ids', 'avatar'],
      ['modelId', 'readyModel'],
      ['generationId', 'completedGeneration'],
      ['filter.modelId', 'readyModel'],
      ['filter.generationId', 'completedGeneration'],
    ] as const
  ).map(([path, own]): Row => ({
    ...selecting('downloadAvatars', path, own),
    query: `mutation ($input: DownloadAvatarsInput!) { downloadAvatars(input: $input) { avatarCount byteSize } }`,
    variables: (id) => ({ input: { select: selected(path, id) } }),
  })),
  changing('updateWebhook', 'webhook { id url status }', 'webhook'),
  changing('rotateWebhookSecret', 'oldSecretExpiresAt', 'webhook'),
  {
    place: 'Mutation.replayWebhookDeliveries(input.webhookId)',
    query: `mutation ($id: ID!) { replayWebhookDeliveries(input: { webhookId: $id, select: { created: {} } }) { result { matchedCount } } }`,
    variables: (id) => ({ id }),
    own: 'webhook',
  },
  {
    place: 'Mutation.replayWebhookDeliveries(input.select.ids)',
    query: `mutation ($id: ID!, $webhook: ID!) { replayWebhookDeliveries(input: { webhookId: $webhook, select: { ids: [$id] } }) { result { matchedCount failures { code } } } }`,
    variables: (id, mine) => ({ id, webhook: mine.webhook }),
    own: 'delivery',
  },
  changing('testWebhook', 'attempt { httpStatus }', 'webhook'),
  changing('deleteWebhook', 'deletedId', 'webhook'),
  changing('retryModel', `model { ${modelFields} }`, 'failedModel'),
  changing('retryGeneration', `generation { ${generationFields} }`, 'failedGeneration'),
  changingDeprecated('retryModel', `model { ${modelFields} }`, 'otherFailedModel'),
  changingDeprecated('retryGeneration', `generation { ${generationFields} }`, 'otherFailedGeneration'),
  ...changingInBothForms('cancelModel', `model { ${modelFields} }`, 'waitingModel'),
  ...changingInBothForms('cancelGeneration', `generation { ${generationFields} }`, 'waitingGeneration'),
  // Only a backend can create and revoke client tokens: see client-tokens.test.ts.
  ...(
    [
      ['createClientToken', 'modelId', 'scopes: [READ], modelId: $id'],
      ['createClientToken', 'generationId', 'scopes: [READ], generationId: $id'],
      ['revokeClientToken', 'id', 'id: $id'],
    ] as const
  ).map(([mutation, field, input]): Row => ({
    place: `Mutation.${mutation}(input.${field})`,
    query: `mutation ($id: ID!) { ${mutation}(input: { ${input} }) { __typename } }`,
    variables: (id) => ({ id }),
    own: null,
  })),
  ...changingInBothForms('deleteAvatar', 'deletedId', 'avatar'),
  ...changingInBothForms('deletePhoto', 'deletedId', 'photo'),
  ...changingInBothForms('deleteGeneration', 'deletedId', 'completedGeneration'),
  ...changingInBothForms('deleteModel', 'deletedId', 'readyModel'),
];

/** Deletions return the same response in both cases: their effect is checked by reading. */
export const isSilent = ({ place }: Row): boolean => /^Mutation[.]delete\w+\((input[.])?id\)$/.test(place);
