import { type Client } from '@urql/core';
import { ActivityDocument, type ActivitySubscription } from '../graphql/operations';
import { readProblem } from './errors';
import { ownerKeys } from './forgetOwner';
import { readStored, store } from './storage';

/** Something that happened, as `activity` sends it. */
export type Activity = ActivitySubscription['activity'];

export interface ActivityListener {
  /** @param isMissed - it happened while the studio was not open */
  readonly onActivity: (activity: Activity, isMissed: boolean) => void;
  /** The key is no longer valid. */
  readonly onSignedOut: () => void;
}

/** Before a subscription that the server has ended is started again, in milliseconds. */
const restartMs = 5_000;

/**
 * Follows everything of the viewer's from where the studio was last open. The client module resumes after a lost
 * connection, without gaps or repetitions.
 * @param startCursor - where to begin in a browser that has no cursor yet
 * @returns a function that ends it
 */
export function followActivity(
  client: Client,
  owner: string,
  startCursor: string,
  { onActivity, onSignedOut }: ActivityListener,
): () => void {
  let isCaughtUp = false;
  let stop = (): void => undefined;

  const receive = (activity: Activity): void => {
    if (!activity.isEstimate) store(ownerKeys.cursor(owner), activity.cursor);
    onActivity(activity, !isCaughtUp && !activity.isSnapshot);
    if (activity.change.__typename === 'CaughtUp') isCaughtUp = true;
  };

  const subscribe = (after: string | null): void => {
    const subscription = client
      .subscription(ActivityDocument, { after })
      .subscribe(({ data, error, hasNext }) => {
        const code = error ? readProblem(error).code : null;
        if (code === 'UNAUTHENTICATED') onSignedOut();
        // A cursor of a database that was restored: begin with the present state.
        else if (code === 'INVALID_CURSOR') restart(null, 0);
        // The last result is repeated when a subscription ends.
        else if (code !== null || !hasNext) restart(readCursor(owner), restartMs);
        else if (data) receive(data.activity);
      });
    stop = () => subscription.unsubscribe();
  };
  const restart = (after: string | null, delayMs: number): void => {
    const timer = setTimeout(() => subscribe(after), delayMs);
    stop = () => clearTimeout(timer);
  };

  subscribe(readCursor(owner) ?? startCursor);
  return () => stop();
}

const readCursor = (owner: string): string | null => readStored(ownerKeys.cursor(owner)) as string | null;
