import { type Cache, type UpdatesConfig } from '@urql/exchange-graphcache';
import { type ActivitySubscription } from '../graphql/operations';

type Change = ActivitySubscription['activity']['change'];

/** Reads a list again where it is shown. */
function invalidateLists(cache: Cache, ...fields: string[]): void {
  for (const { fieldName, fieldKey } of cache.inspectFields('Query'))
    if (fields.includes(fieldName)) cache.invalidate('Query', fieldKey);
}

/** Lists that may contain something new. What is in the cache already is updated by its id. */
function applyChange(change: Change, isSnapshot: boolean, cache: Cache): void {
  switch (change.__typename) {
    case 'ModelChanged':
      if (!isSnapshot && change.modelStatus === 'QUEUED') invalidateLists(cache, 'models');
      break;
    case 'GenerationChanged':
      if (!isSnapshot && change.generationStatus === 'QUEUED') invalidateLists(cache, 'generations');
      break;
    case 'AvatarCreated':
      invalidateLists(cache, 'avatars');
      break;
    case 'ModelDeleted':
      cache.invalidate({ __typename: 'AvatarModel', id: change.modelId });
      break;
    case 'GenerationDeleted':
      cache.invalidate({ __typename: 'Generation', id: change.generationId });
      break;
    case 'AvatarDeleted':
      cache.invalidate({ __typename: 'Avatar', id: change.avatarId });
      break;
    case 'NoticeCreated':
      cache.invalidate('Query', 'viewer');
      break;
    case 'CaughtUp':
      if (change.hasGap) invalidateLists(cache, 'models', 'generations', 'avatars', 'model', 'avatar');
      break;
    default:
      // AvatarChanged, which is in the cache by its id, and types that a later server adds.
      break;
  }
}

const deletes =
  (typename: string, field: string) =>
  (result: Record<string, unknown>, _args: unknown, cache: Cache): void => {
    const payload = result[field] as { deletedId: string } | null;
    if (payload) cache.invalidate({ __typename: typename, id: payload.deletedId });
  };

/** How mutations and activity change what the page shows. */
export const updates: UpdatesConfig = {
  Mutation: {
    deleteModel: deletes('AvatarModel', 'deleteModel'),
    deleteGeneration: deletes('Generation', 'deleteGeneration'),
    deleteAvatar: deletes('Avatar', 'deleteAvatar'),
    setFavorite: (_result, _args, cache) => {
      for (const { fieldKey, arguments: args } of cache.inspectFields('Query')) {
        const { orderBy, filter } = (args ?? {}) as { orderBy?: string; filter?: { favorite?: boolean } };
        if (orderBy === 'FAVORITES' || filter?.favorite != null) cache.invalidate('Query', fieldKey);
      }
    },
  },
  Subscription: {
    activity: (result, _args, cache) => {
      const { change, isEstimate, isSnapshot } = result.activity as ActivitySubscription['activity'];
      if (!isEstimate) applyChange(change, isSnapshot, cache);
    },
  },
};
