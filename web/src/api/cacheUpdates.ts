import { type Cache, type UpdatesConfig } from '@urql/exchange-graphcache';
import { type ActivitySubscription } from '../graphql/operations';

type Change = ActivitySubscription['activity']['change'];

/** Reads a list again where it is shown. */
function invalidateLists(cache: Cache, ...fields: string[]): void {
  for (const { fieldName, fieldKey } of cache.inspectFields('Query'))
    if (fields.includes(fieldName)) cache.invalidate('Query', fieldKey);
}

/**
 * Reads the beginning of a list again where it is shown. The pages that follow begin at the end of the one before, and are
 * read again if that changes.
 */
function invalidateFirstPages(cache: Cache, field: string): void {
  for (const { fieldName, fieldKey, arguments: args } of cache.inspectFields('Query'))
    if (fieldName === field && args?.after == null) cache.invalidate('Query', fieldKey);
}

/** Reads lists again whose filter or order depends on what has changed. */
function invalidateFiltered(cache: Cache, isConcerned: (args: ListArguments) => boolean): void {
  for (const { fieldKey, arguments: args } of cache.inspectFields('Query'))
    if (isConcerned(args ?? {})) cache.invalidate('Query', fieldKey);
}

interface ListArguments {
  readonly orderBy?: string;
  readonly filter?: { readonly favorite?: boolean | null; readonly statuses?: readonly string[] | null };
}

const dependsOnFavorites = ({ orderBy, filter }: ListArguments): boolean =>
  orderBy === 'FAVORITES' || filter?.favorite != null;

/** Reads again everything that is shown. */
const invalidateAll = (cache: Cache): void =>
  invalidateLists(cache, 'models', 'generations', 'avatars', 'model', 'avatar', 'viewer');

/** Lists that may contain something new. What is in the cache already is updated by its id. */
function applyChange(change: Change, isSnapshot: boolean, cache: Cache): void {
  switch (change.__typename) {
    case 'ModelChanged':
      if (isSnapshot) break;
      if (change.modelStatus === 'QUEUED') invalidateFirstPages(cache, 'models');
      else invalidateFiltered(cache, ({ filter }) => filter?.statuses != null);
      cache.invalidate('Query', 'viewer');
      break;
    case 'GenerationChanged':
      if (isSnapshot) break;
      if (change.generationStatus === 'QUEUED') invalidateFirstPages(cache, 'generations');
      cache.invalidate('Query', 'viewer');
      break;
    case 'AvatarCreated':
      invalidateFirstPages(cache, 'avatars');
      break;
    case 'ModelDeleted':
      cache.invalidate({ __typename: 'AvatarModel', id: change.modelId });
      // Its avatars have no events of their own.
      invalidateLists(cache, 'models', 'generations', 'avatars');
      break;
    case 'GenerationDeleted':
      cache.invalidate({ __typename: 'Generation', id: change.generationId });
      invalidateLists(cache, 'generations', 'avatars');
      break;
    case 'AvatarDeleted':
      cache.invalidate({ __typename: 'Avatar', id: change.avatarId });
      invalidateFirstPages(cache, 'avatars');
      break;
    case 'AvatarChanged':
      invalidateFiltered(cache, dependsOnFavorites);
      break;
    case 'NoticeCreated':
      cache.invalidate('Query', 'viewer');
      break;
    case 'CaughtUp':
      if (change.hasGap) invalidateAll(cache);
      break;
    default:
      // Types that a later server adds.
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
      invalidateFiltered(cache, dependsOnFavorites);
    },
  },
  Subscription: {
    activity: (result, { after }, cache) => {
      const { change, isEstimate, isSnapshot } = result.activity as ActivitySubscription['activity'];
      if (!isEstimate) applyChange(change, isSnapshot, cache);
      // Followed from the present state, without a cursor: everything was erased, or the database restored.
      if (after == null && change.__typename === 'CaughtUp') invalidateAll(cache);
    },
  },
};
