import { createContext, useCallback, useContext, useMemo, useRef, useState } from 'react';
import { type Route } from './useRoute';

/** A message that appears at the edge of the page and is read aloud by screen readers. */
export interface Announcement {
  readonly id: number;
  readonly tone: 'good' | 'bad' | 'plain';
  readonly text: string;
  readonly link?: undefined | { readonly label: string; readonly route: Route };
}

export interface Announcements {
  readonly shown: readonly Announcement[];
  readonly announce: (announcement: Omit<Announcement, 'id'>) => void;
  readonly dismiss: (id: number) => void;
}

const maxShown = 4;
/** Failures stay until they are dismissed. */
const shownMs = 12_000;

/** The state of {@link AnnouncementContext}. */
export function useAnnouncementState(): Announcements {
  const [shown, setShown] = useState<readonly Announcement[]>([]);
  const lastId = useRef(0);
  const dismiss = useCallback((id: number) => {
    setShown((before) => before.filter((announcement) => announcement.id !== id));
  }, []);
  const announce = useCallback(
    (announcement: Omit<Announcement, 'id'>) => {
      const id = ++lastId.current;
      setShown((before) => [
        ...before.filter(({ text }) => text !== announcement.text).slice(1 - maxShown),
        { id, ...announcement },
      ]);
      if (announcement.tone !== 'bad') setTimeout(() => dismiss(id), shownMs);
    },
    [dismiss],
  );
  return useMemo(() => ({ shown, announce, dismiss }), [shown, announce, dismiss]);
}

export const AnnouncementContext = createContext<Announcements['announce']>(() => undefined);

export function useAnnounce(): Announcements['announce'] {
  return useContext(AnnouncementContext);
}
