import { useState } from 'react';
import { useQuery } from 'urql';
import { isolate } from '../api/formats';
import { useSession } from '../api/session';
import { AvatarPages } from '../components/AvatarPages';
import { DownloadAllButton } from '../components/DownloadAllButton';
import { SelectField } from '../components/SelectField';
import { ModelsDocument, type AvatarFilter, type AvatarOrder } from '../graphql/operations';
import { useDocumentTitle } from '../hooks/useDocumentTitle';

/** All avatars, by page. */
export function AvatarsPage(): React.JSX.Element {
  useDocumentTitle('Avatars');
  const { styles } = useSession();
  const [style, setStyle] = useState('');
  const [modelId, setModelId] = useState('');
  const [kind, setKind] = useState<'ALL' | 'FAVORITES'>('ALL');
  const [orderBy, setOrderBy] = useState<AvatarOrder>('NEWEST');
  const [{ data }] = useQuery({ query: ModelsDocument, variables: { first: 100, orderBy: 'NAME' } });
  const models = data?.models?.nodes ?? [];
  const filter: AvatarFilter = {
    ...(style !== '' && { styles: [style] }),
    ...(modelId !== '' && { modelId }),
    ...(kind === 'FAVORITES' && { favorite: true }),
  };
  return (
    <div className="page stack large">
      <div className="row between">
        <h1 tabIndex={-1}>Avatars</h1>
        <div className="filters">
          <SelectField
            label="Show"
            value={kind}
            options={[
              ['ALL', 'All'],
              ['FAVORITES', 'Favorites'],
            ]}
            onChange={setKind}
          />
          <SelectField
            label="Model"
            value={modelId}
            options={[['', 'All'], ...models.map(({ id, name }) => [id, isolate(name)] as const)]}
            onChange={setModelId}
          />
          <SelectField
            label="Style"
            value={style}
            options={[['', 'All'], ...styles.map(({ key, name }) => [key, name] as const)]}
            onChange={setStyle}
          />
          <SelectField
            label="Order"
            value={orderBy}
            options={[
              ['NEWEST', 'Newest first'],
              ['OLDEST', 'Oldest first'],
              ['FAVORITES', 'Favorites first'],
            ]}
            onChange={setOrderBy}
          />
          <DownloadAllButton select={{ filter }} />
        </div>
      </div>
      <AvatarPages
        key={`${JSON.stringify(filter)} ${orderBy}`}
        filter={filter}
        orderBy={orderBy}
        after={null}
      />
    </div>
  );
}
