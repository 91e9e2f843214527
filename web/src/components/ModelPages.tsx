import { useState } from 'react';
import { useQuery } from 'urql';
import { readProblem } from '../api/errors';
import { ModelsDocument, type AvatarModelFilter, type AvatarModelOrder } from '../graphql/operations';
import { pathOf } from '../hooks/useRoute';
import { LoadMoreButton } from './LoadMoreButton';
import { ModelCard } from './ModelCard';
import { ProblemNotice } from './ProblemNotice';

const pageSize = 12;

export interface ModelPagesProps {
  readonly filter: AvatarModelFilter;
  readonly orderBy: AvatarModelOrder;
  /** The end of the previous page. */
  readonly after: string | null;
}

/** A page of models, and the next ones when asked for. */
export function ModelPages({ filter, orderBy, after }: ModelPagesProps): React.JSX.Element {
  const [{ data, error }] = useQuery({
    query: ModelsDocument,
    variables: { first: pageSize, after, filter, orderBy },
  });
  const [showsNext, setShowsNext] = useState(false);
  const connection = data?.models;
  if (!connection)
    return error ? (
      <ProblemNotice problem={readProblem(error)} />
    ) : (
      <p className="muted" role="status">
        Loading …
      </p>
    );
  const { hasNextPage, endCursor } = connection.pageInfo;
  if (connection.nodes.length === 0 && after === null)
    return (
      <p className="empty">
        No models here. <a href={pathOf({ page: 'create' })}>Create one</a>
      </p>
    );
  return (
    <>
      <ul className="model-list wide" aria-label="Models">
        {connection.nodes.map((model) => (
          <li key={model.id}>
            <ModelCard model={model} />
          </li>
        ))}
      </ul>
      {hasNextPage && !showsNext && <LoadMoreButton onLoad={() => setShowsNext(true)} />}
      {hasNextPage && showsNext && <ModelPages filter={filter} orderBy={orderBy} after={endCursor} />}
    </>
  );
}
