import type { Client } from './client';
import type { Feed, StreamTransport } from './feed';

/** A message of `activity`. */
export interface ActivityNews {
  cursor: string;
  occurredAt: string;
  isSnapshot: boolean;
  isEstimate: boolean;
  change: {
    type: string;
    modelStatus?: string;
    generationStatus?: string;
    progress?: number;
    hasGap?: boolean;
    modelId?: string;
    ofModel?: string | null;
    generationId?: string;
    avatarId?: string;
    model?: { id: string; name: string; status: string } | null;
    generation?: { id: string; status: string } | null;
    avatar?: { id: string; url: string; favorite: boolean } | null;
    notice?: { id: string; kind: string; message: string; createdAt: string };
  };
}

/** Arguments of `activity`. */
export interface ActivityArguments {
  after?: string;
  filter?: { kinds?: string[] | null; modelIds?: string[] | null };
  estimates?: boolean;
}

const activityQuery = `subscription ($after: String, $filter: ActivityFilter, $estimates: Boolean! = false) {
  activity(after: $after, filter: $filter, estimates: $estimates) {
    cursor occurredAt isSnapshot isEstimate
    change {
      type: __typename
      ... on ModelChanged { modelId modelStatus: status progress model { id name status } }
      ... on GenerationChanged { generationId generationStatus: status progress generation { id status } }
      ... on AvatarCreated { avatarId avatar { id url favorite } }
      ... on AvatarChanged { avatarId avatar { id url favorite } }
      ... on ModelDeleted { modelId }
      ... on GenerationDeleted { generationId ofModel: modelId }
      ... on AvatarDeleted { avatarId generationId }
      ... on NoticeCreated { notice { id kind message createdAt } }
      ... on CaughtUp { hasGap }
    }
  }
}`;

/** Subscribes to `activity`, without estimates unless they are asked for. */
export function followActivity(
  client: Client,
  given: ActivityArguments = {},
  transport?: StreamTransport,
): Feed<ActivityNews> {
  return client.subscribe(activityQuery, { ...given }, transport);
}

/** What changed, in a word: `ModelChanged READY`. */
export function wordsOf({ change: { type, modelStatus, generationStatus } }: ActivityNews): string {
  const status = modelStatus ?? generationStatus;
  return status === undefined ? type : `${type} ${status}`;
}

export const isCaughtUp = ({ change }: ActivityNews): boolean => change.type === 'CaughtUp';

/** The changes after the snapshot. */
export const changesOf = (received: readonly ActivityNews[]): ActivityNews[] =>
  received.filter((item) => !item.isSnapshot && !isCaughtUp(item));

/** Waits until the subscription is live. */
export async function caughtUp(feed: Feed<ActivityNews>): Promise<Feed<ActivityNews>> {
  await feed.until((received) => received.some(isCaughtUp));
  return feed;
}

/** `viewer.activityCursor`. */
export async function activityCursor(client: Client): Promise<string> {
  const query = '{ viewer { activityCursor } }';
  return (await client.request<{ viewer: { activityCursor: string } }>(query)).viewer.activityCursor;
}
