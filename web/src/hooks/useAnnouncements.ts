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
/** Of a page that is visible: who comes back to the tab can still read it. Failures stay until they are dismissed. */
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
      if (announcement.tone !== 'bad') afterVisible(shownMs, () => dismiss(id));
    },
    [dismiss],
  );
  return useMemo(() => ({ shown, announce, dismiss }), [shown, announce, dismiss]);
}

export const AnnouncementContext = createContext<Announcements>({
  shown: [],
  announce: () => undefined,
  dismiss: () => undefined,
});

export function useAnnounce(): Announcements['announce'] {
  return useContext(AnnouncementContext).announce;
}

/** Calls back after the page has been visible for a time without interruption. */
function afterVisible(ms: number, callback: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begin = (): void => {
    clearTimeout(timer);
    if (document.hidden) return;
    timer = setTimeout(() => {
      document.removeEventListener('visibilitychange', begin);
      callback();
    }, ms);
  };
  document.addEventListener('visibilitychange', begin);
  begin();
}
