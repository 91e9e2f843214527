import { useEffect, useLayoutEffect, useRef } from 'react';

/** Whether the entry of the history was added for something that is open. */
const isOpenEntry = (): boolean => (history.state as { isOpen?: unknown } | null)?.isOpen === true;

/** Settled unless the browser is about to leave such an entry. */
let leaving: Promise<unknown> = Promise.resolve();

function leave(): void {
  leaving = new Promise((resolve) => addEventListener('popstate', resolve, { once: true }));
  history.back();
}

// After the page was loaded again, nothing is open.
if (isOpenEntry()) leave();

/** While mounted, Back closes what is open instead of leaving the page, as people expect on phones. */
export function useCloseOnBack(onClose: () => void): void {
  const latest = useRef(onClose);
  useLayoutEffect(() => {
    latest.current = onClose;
  });
  useEffect(() => {
    let isMounted = true;
    const close = (): void => latest.current();
    void leaving.then(() => {
      if (!isMounted) return;
      history.pushState({ isOpen: true }, '');
      addEventListener('popstate', close);
    });
    return () => {
      isMounted = false;
      removeEventListener('popstate', close);
      // After Back it has been left, and a link has added an entry after it.
      if (isOpenEntry()) leave();
    };
  }, []);
}
