import { useState } from 'react';
import { useQuery } from 'urql';
import { readProblem } from '../api/errors';
import { plural } from '../api/formats';
import { AvatarsDocument, type AvatarFilter, type AvatarOrder } from '../graphql/operations';
import { pathOf } from '../hooks/useRoute';
import { AvatarGrid } from './AvatarGrid';
import { LoadMoreButton } from './LoadMoreButton';
import { ProblemNotice } from './ProblemNotice';

const pageSize = 24;

export interface AvatarPagesProps {
  readonly filter: AvatarFilter;
  readonly orderBy: AvatarOrder;
  /** The end of the previous page. */
  readonly after: string | null;
}

/** A page of avatars, and the next ones when asked for. */
export function AvatarPages({ filter, orderBy, after }: AvatarPagesProps): React.JSX.Element {
  const [{ data, error }] = useQuery({
    query: AvatarsDocument,
    variables: { first: pageSize, after, filter, orderBy },
  });
  const [showsNext, setShowsNext] = useState(false);
  const connection = data?.avatars;
  if (!connection)
    return error ? (
      <ProblemNotice problem={readProblem(error)} />
    ) : (
      <p className="muted" role="status">
        Loading …
      </p>
    );
  const { nodes, totalCount, pageInfo } = connection;
  const isFirst = after === null;
  if (nodes.length === 0 && isFirst)
    return (
      <p className="empty">
        No avatars here. <a href={pathOf({ page: 'models' })}>Make some from a model</a>
      </p>
    );
  return (
    <>
      {isFirst && (
        <p className="muted" role="status">
          {plural(totalCount, 'avatar')}
        </p>
      )}
      <AvatarGrid label={isFirst ? 'Avatars' : 'More avatars'} avatars={nodes} />
      {pageInfo.hasNextPage && !showsNext && <LoadMoreButton onLoad={() => setShowsNext(true)} />}
      {pageInfo.hasNextPage && showsNext && (
        <AvatarPages filter={filter} orderBy={orderBy} after={pageInfo.endCursor} />
      )}
    </>
  );
}
