import { useQuery } from 'urql';
import { generationPageSize } from '../api/jobs';
import { GenerationsDocument } from '../graphql/operations';
import { GenerationCard } from './GenerationCard';
import { ListPage } from './ListPage';

export interface GenerationPagesProps {
  readonly modelId: string;
  /** The end of the previous page. */
  readonly after: string | null;
}

/** A page of the generations of a model, and the next ones when asked for. */
export function GenerationPages({ modelId, after }: GenerationPagesProps): React.JSX.Element {
  const [{ data, error }, reload] = useQuery({
    query: GenerationsDocument,
    variables: { modelId, first: generationPageSize, after },
  });
  return (
    <ListPage
      page={data?.generations}
      error={error}
      onRetry={() => reload({ requestPolicy: 'network-only' })}
      empty={null}
      next={(end) => <GenerationPages modelId={modelId} after={end} />}
    >
      {({ nodes }) =>
        nodes.map((generation) => <GenerationCard key={generation.id} generation={generation} />)
      }
    </ListPage>
  );
}
