import { useEffect, useState } from 'react';
import { serverNow } from '../api/serverClock';

/** The time by the server's clock, in milliseconds, at every interval. */
export function useNow(intervalMs: number): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}
