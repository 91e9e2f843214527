import { useEffect } from 'react';

/** Names the page in the tab of the browser. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Likeness`;
  }, [title]);
}
