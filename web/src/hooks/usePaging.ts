import { createContext, useContext } from 'react';

/** Where a page of a list is among those that are shown. */
export interface Paging {
  /** 1 for the first one. */
  readonly number: number;
  /** Shows the pages after a cursor instead of those that are shown. */
  readonly goTo: (after: string | null) => void;
}

export const PagingContext = createContext<Paging | null>(null);

/** @throws Error outside of a list */
export function usePaging(): Paging {
  const paging = useContext(PagingContext);
  if (!paging) throw new Error('No list');
  return paging;
}
