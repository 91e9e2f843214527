import { useState } from 'react';
import { useQuery } from 'urql';
import { generationPageSize } from '../api/jobs';
import { GenerationsDocument } from '../graphql/operations';
import { GenerationCard } from './GenerationCard';
import { LoadMoreButton } from './LoadMoreButton';

export interface GenerationPagesProps {
  readonly modelId: string;
  /** The end of the previous page. */
  readonly after: string | null;
}

/** A page of the generations of a model, and the next ones when asked for. */
export function GenerationPages({ modelId, after }: GenerationPagesProps): React.JSX.Element | null {
  const [{ data }] = useQuery({
    query: GenerationsDocument,
    variables: { modelId, first: generationPageSize, after },
  });
  const [showsNext, setShowsNext] = useState(false);
  const connection = data?.generations;
  if (!connection) return null;
  const { hasNextPage, endCursor } = connection.pageInfo;
  return (
    <>
      {connection.nodes.map((generation) => (
        <GenerationCard key={generation.id} generation={generation} />
      ))}
      {hasNextPage && !showsNext && <LoadMoreButton onLoad={() => setShowsNext(true)} />}
      {hasNextPage && showsNext && <GenerationPages modelId={modelId} after={endCursor} />}
    </>
  );
}
