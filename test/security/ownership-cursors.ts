import type { Belongings } from './two-owners';

/** The types with a timeline, each with a field that returns it. */
const timelines = [
  ['AvatarModel', 'model', 'readyModel'],
  ['Generation', 'generation', 'completedGeneration'],
  ['Job', 'node', 'readyModel'],
] as const;

/** A place that takes a cursor. `own` is an id of the caller that contains the list or stream. */
export interface CursorRow {
  place: string;
  query: string;
  own?: keyof Belongings;
  /** A cursor of that kind: of the owner, or of an unknown id. */
  cursor: 'modelCursor' | 'generationCursor' | 'listCursor' | 'timelineCursor' | 'activityCursor';
}

/** Every place that takes a cursor. */
export const cursorWalk: readonly CursorRow[] = [
  ...(['after', 'before'] as const).flatMap((argument): CursorRow[] => [
    ...[
      ['models', 'id name'],
      ['generations', 'id model { id name } prompts { prompt }'],
      ['avatars', 'id url prompt'],
      ['photos', 'id url filename'],
      ['ledger', 'id attempt job { id }'],
    ].map(([list, fields]): CursorRow => ({
      place: `Query.${list}(${argument})`,
      query: `query ($after: String) { ${list}(${argument}: $after) { totalCount nodes { ${fields} } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }`,
      cursor: 'listCursor',
    })),
    {
      place: `Viewer.notices(${argument})`,
      query: `query ($after: String) { viewer { notices(${argument}: $after) { totalCount nodes { id message } } } }`,
      cursor: 'listCursor',
    },
    {
      place: `Query.webhooks(${argument})`,
      query: `query ($after: String) { webhooks(${argument}: $after) { totalCount nodes { id url } } }`,
      cursor: 'listCursor',
    },
    {
      place: `Webhook.deliveries(${argument})`,
      query: `query ($id: ID!, $after: String) { node(id: $id) { ... on Webhook { deliveries(${argument}: $after) { totalCount nodes { id subjectId } } } } }`,
      own: 'webhook',
      cursor: 'listCursor',
    },
    ...['generations', 'avatars'].map((list): CursorRow => ({
      place: `AvatarModel.${list}(${argument})`,
      query: `query ($id: ID!, $after: String) { model(id: $id) { ${list}(${argument}: $after) { totalCount nodes { id } } } }`,
      own: 'readyModel',
      cursor: 'listCursor',
    })),
    ...timelines.map(([type, field, own]): CursorRow => ({
      place: `${type}.timeline(${argument})`,
      query: `query ($id: ID!, $after: String) { ${field}(id: $id) { ... on ${type} { timeline(${argument}: $after) { totalCount nodes { message } } } } }`,
      own,
      cursor: 'timelineCursor',
    })),
  ]),
  ...(['model', 'generation'] as const).map((field): CursorRow => ({
    place: `Query.${field}(after)`,
    query: `query ($id: ID!, $after: String) { ${field}(id: $id, waitMs: 1, after: $after) { id cursor } }`,
    own: field === 'model' ? 'readyModel' : 'completedGeneration',
    cursor: `${field}Cursor`,
  })),
  {
    place: 'Subscription.trainingProgress(after)',
    query:
      'subscription ($id: ID!, $after: String) { trainingProgress(modelId: $id, after: $after) { cursor model { id } } }',
    own: 'readyModel',
    cursor: 'modelCursor',
  },
  {
    place: 'Subscription.generationProgress(after)',
    query:
      'subscription ($id: ID!, $after: String) { generationProgress(generationId: $id, after: $after) { cursor generation { id } } }',
    own: 'completedGeneration',
    cursor: 'generationCursor',
  },
  {
    place: 'Subscription.avatarCompleted(after)',
    query:
      'subscription ($id: ID!, $after: String) { avatarCompleted(modelId: $id, after: $after) { cursor avatar { id } } }',
    own: 'readyModel',
    cursor: 'modelCursor',
  },
  {
    place: 'Subscription.activity(after)',
    query: `subscription ($after: String) { activity(after: $after) { cursor change { ... on ModelChanged { model { id name } } } } }`,
    cursor: 'activityCursor',
  },
];
