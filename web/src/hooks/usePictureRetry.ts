import { useCallback, useEffect, useRef, useState } from 'react';
import { useClient } from 'urql';
import { isExpiredUrl } from '../api/urls';
import { AvatarUrlsDocument } from '../graphql/operations';

/** Before each attempt to load a picture again, in milliseconds; the last one is repeated. */
const retryMs = [1_000, 4_000, 15_000, 60_000];

export interface PictureRetry {
  /** Changes when the picture is to be loaded again. */
  readonly attempt: number;
  /** Whether it fails for so long that the viewer should know. */
  readonly isFailed: boolean;
  readonly onError: () => void;
}

/** Loads a picture again after a failure, from a new URL if it has expired: they are valid for two hours at most. */
export function usePictureRetry(avatarId: string, url: string): PictureRetry {
  const client = useClient();
  const [attempt, setAttempt] = useState(0);
  const [isFailed, setFailed] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const isMounted = useRef(false);

  const retry = useCallback(async (): Promise<void> => {
    clearTimeout(timer.current);
    if (isExpiredUrl(url))
      await client.query(AvatarUrlsDocument, { id: avatarId }, { requestPolicy: 'network-only' }).toPromise();
    if (!isMounted.current) return;
    setAttempt((before) => before + 1);
  }, [client, avatarId, url]);

  useEffect(() => {
    isMounted.current = true;
    return () => {
      isMounted.current = false;
      clearTimeout(timer.current);
    };
  }, []);

  useEffect(() => {
    if (!isFailed) return undefined;
    const again = (): void => void retry();
    addEventListener('online', again);
    return () => removeEventListener('online', again);
  }, [isFailed, retry]);

  const onError = useCallback(() => {
    const last = retryMs.length - 1;
    if (attempt >= last) setFailed(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void retry(), retryMs[Math.min(attempt, last)]);
  }, [attempt, retry]);
  return { attempt, isFailed, onError };
}
