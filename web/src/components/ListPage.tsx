import { type ReactNode, useState } from 'react';
import type { CombinedError } from 'urql';
import { PagingContext, usePaging } from '../hooks/usePaging';
import { LoadMoreButton } from './LoadMoreButton';
import { LoadProblem } from './LoadProblem';
import { Loading } from './Loading';

/** How many pages of a list are shown at a time. */
const maxPages = 10;

interface Connection {
  readonly nodes: readonly unknown[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

export interface ListPageProps<Page extends Connection> {
  /** Undefined or null until it has arrived. */
  readonly page: Page | null | undefined;
  readonly error: CombinedError | undefined;
  /** Loads the page again after an error. */
  readonly onRetry: () => void;
  /** Shown in place of a page without nodes. */
  readonly empty: ReactNode;
  readonly children: (page: Page) => ReactNode;
  /** The next page, when it is asked for. */
  readonly next: (after: string | null) => ReactNode;
}

/** A page of a list, or what stands in its place, and the next ones when asked for. Part of a `PagedList`. */
export function ListPage<Page extends Connection>(props: ListPageProps<Page>): React.JSX.Element {
  const { page, error, onRetry, empty, children, next } = props;
  const { number, goTo } = usePaging();
  const [showsNext, setShowsNext] = useState(false);
  // A page begins elsewhere when the one before it has changed: without it, all that follow would leave until it arrives.
  const [last, setLast] = useState(page);
  if (page && page !== last) setLast(page);
  const current = page ?? (error ? null : last);
  if (!current) return error ? <LoadProblem error={error} onRetry={onRetry} /> : <Loading />;
  if (current.nodes.length === 0) return <>{empty}</>;
  const { hasNextPage, endCursor } = current.pageInfo;
  const following = (): ReactNode => {
    if (showsNext) return next(endCursor);
    if (number < maxPages) return <LoadMoreButton onLoad={() => setShowsNext(true)} />;
    return <LoadMoreButton label="Show the next ones instead" onLoad={() => goTo(endCursor)} />;
  };
  return (
    <>
      {children(current)}
      {hasNextPage && (
        <PagingContext.Provider value={{ number: number + 1, goTo }}>{following()}</PagingContext.Provider>
      )}
    </>
  );
}
