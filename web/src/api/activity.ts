import { type Client } from '@urql/core';
import { ActivityDocument, type ActivitySubscription } from '../graphql/operations';
import { readStored, store } from './storage';

/** Something that happened, as `activity` sends it. */
export type Activity = ActivitySubscription['activity'];

/** Whether events arrive. */
export type ConnectionState = 'connecting' | 'live' | 'lost';

export interface ActivityListener {
  /** @param isMissed - it happened while the studio was not open */
  onActivity(activity: Activity, isMissed: boolean): void;
  onConnection(state: ConnectionState): void;
}

/** Waits between attempts, in milliseconds: random, so that not all clients of a restarted server come at once. */
const minRetryMs = 500;
const maxRetryMs = 3_000;

const cursorKey = (owner: string): string => `cursor.${owner}`;

/**
 * Follows everything of the viewer's from where the studio was last open, and goes on after a lost connection, without
 * gaps or duplicates: each subscription starts `after` the last cursor.
 * @param startCursor - where to begin in a browser that has no cursor yet
 * @returns a function that ends it
 */
export function followActivity(
  client: Client,
  owner: string,
  startCursor: string,
  listener: ActivityListener,
): () => void {
  let isEnded = false;
  let isCaughtUp = false;
  let stop = (): void => undefined;

  const receive = (activity: Activity): void => {
    listener.onConnection('live');
    if (!activity.isEstimate) store(cursorKey(owner), activity.cursor);
    listener.onActivity(activity, !isCaughtUp && !activity.isSnapshot);
    if (activity.change.__typename === 'CaughtUp') isCaughtUp = true;
  };

  const subscribe = (): void => {
    const after = (readStored(cursorKey(owner)) as string | null) ?? startCursor;
    let isOver = false;
    let unsubscribe = (): void => undefined;
    stop = () => unsubscribe();
    const retry = (): void => {
      if (isOver || isEnded) return;
      isOver = true;
      unsubscribe();
      listener.onConnection('lost');
      stop = retryLater(subscribe);
    };
    const subscription = client.subscription(ActivityDocument, { after }).subscribe((result) => {
      if (isEnded || isOver) return;
      const [refusal] = result.error?.graphQLErrors ?? [];
      if (refusal?.extensions.code === 'INVALID_CURSOR') store(cursorKey(owner), null);
      // The last result is repeated when the subscription ends.
      if (result.error || !result.hasNext) retry();
      else if (result.data) receive(result.data.activity);
    });
    unsubscribe = () => subscription.unsubscribe();
  };

  listener.onConnection('connecting');
  subscribe();
  return () => {
    isEnded = true;
    stop();
  };
}

/** Calls back after a random time, or as soon as the browser is online again. */
function retryLater(callback: () => void): () => void {
  const run = (): void => {
    cancel();
    callback();
  };
  const timer = setTimeout(run, minRetryMs + Math.random() * (maxRetryMs - minRetryMs));
  addEventListener('online', run);
  const cancel = (): void => {
    clearTimeout(timer);
    removeEventListener('online', run);
  };
  return cancel;
}
