import { useQuery } from 'urql';
import { ModelsDocument, type AvatarModelFilter, type AvatarModelOrder } from '../graphql/operations';
import { pathOf } from '../hooks/useRoute';
import { EmptyList } from './EmptyList';
import { ListPage } from './ListPage';
import { ModelCard } from './ModelCard';

const pageSize = 12;

export interface ModelPagesProps {
  readonly filter: AvatarModelFilter;
  readonly orderBy: AvatarModelOrder;
  /** The end of the previous page. */
  readonly after: string | null;
}

/** A page of models, and the next ones when asked for. */
export function ModelPages({ filter, orderBy, after }: ModelPagesProps): React.JSX.Element {
  const [{ data, error }, reload] = useQuery({
    query: ModelsDocument,
    variables: { first: pageSize, after, filter, orderBy },
  });
  return (
    <ListPage
      page={data?.models}
      error={error}
      onRetry={() => reload({ requestPolicy: 'network-only' })}
      empty={
        after === null && (
          <EmptyList link={{ href: pathOf({ page: 'create' }), label: 'Create one' }}>
            No models here.
          </EmptyList>
        )
      }
      next={(end) => <ModelPages filter={filter} orderBy={orderBy} after={end} />}
    >
      {({ nodes }) => (
        <ul className="model-list wide" aria-label="Models">
          {nodes.map((model) => (
            <li key={model.id}>
              <ModelCard model={model} />
            </li>
          ))}
        </ul>
      )}
    </ListPage>
  );
}
