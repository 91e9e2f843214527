import { Fragment, useState, type ReactNode } from 'react';
import { PagingContext } from '../hooks/usePaging';

export interface PagedListProps {
  /** Shows the beginning again when it changes, such as with the number of orders, whose results are there. */
  readonly version?: number;
  /** The first page that is shown: that after a cursor, or that of the list. */
  readonly children: (after: string | null) => ReactNode;
}

/** A list by page. The number of pages that are shown is limited, since all of them are read again when the list changes. */
export function PagedList({ version = 0, children }: PagedListProps): React.JSX.Element {
  const [start, setStart] = useState<string | null>(null);
  const [shown, setShown] = useState(version);
  if (version !== shown) {
    setShown(version);
    setStart(null);
  }
  return (
    <PagingContext.Provider value={{ number: 1, goTo: setStart }}>
      {start !== null && (
        <p>
          <button key={start} type="button" className="button" autoFocus onClick={() => setStart(null)}>
            Back to the beginning
          </button>
        </p>
      )}
      <Fragment key={start}>{children(start)}</Fragment>
    </PagingContext.Provider>
  );
}
