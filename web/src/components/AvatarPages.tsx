import { useQuery } from 'urql';
import { plural } from '../api/formats';
import { AvatarsDocument, type AvatarFilter, type AvatarOrder } from '../graphql/operations';
import { pathOf } from '../hooks/useRoute';
import { AvatarGrid } from './AvatarGrid';
import { EmptyList } from './EmptyList';
import { ListPage } from './ListPage';

const pageSize = 24;

export interface AvatarPagesProps {
  readonly filter: AvatarFilter;
  readonly orderBy: AvatarOrder;
  /** The end of the previous page. */
  readonly after: string | null;
}

/** A page of avatars, and the next ones when asked for. */
export function AvatarPages({ filter, orderBy, after }: AvatarPagesProps): React.JSX.Element {
  const [{ data, error }, reload] = useQuery({
    query: AvatarsDocument,
    variables: { first: pageSize, after, filter, orderBy },
  });
  const isFirst = after === null;
  return (
    <ListPage
      page={data?.avatars}
      error={error}
      onRetry={() => reload({ requestPolicy: 'network-only' })}
      empty={
        isFirst && (
          <EmptyList link={{ href: pathOf({ page: 'models' }), label: 'Make some from a model' }}>
            No avatars here.
          </EmptyList>
        )
      }
      next={(end) => <AvatarPages filter={filter} orderBy={orderBy} after={end} />}
    >
      {({ nodes, totalCount }) => (
        <>
          {isFirst && (
            <p className="muted" role="status">
              {plural(totalCount, 'avatar')}
            </p>
          )}
          <AvatarGrid label={isFirst ? 'Avatars' : 'More avatars'} avatars={nodes} />
        </>
      )}
    </ListPage>
  );
}
