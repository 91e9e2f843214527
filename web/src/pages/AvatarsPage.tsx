import { useState } from 'react';
import { useSession } from '../api/session';
import { AvatarPages } from '../components/AvatarPages';
import { DownloadAllButton } from '../components/DownloadAllButton';
import { PagedList } from '../components/PagedList';
import { SelectField } from '../components/SelectField';
import { type AvatarFilter, type AvatarOrder } from '../graphql/operations';
import { useDocumentTitle } from '../hooks/useDocumentTitle';
import { useModelChoices } from '../hooks/useModelChoices';

/** The value of the option that loads more models. */
const more = 'more';

/** All avatars, by page. */
export function AvatarsPage(): React.JSX.Element {
  useDocumentTitle('Avatars');
  const { styles } = useSession();
  const [style, setStyle] = useState('');
  const [modelId, setModelId] = useState('');
  const [kind, setKind] = useState<'ALL' | 'FAVORITES'>('ALL');
  const [orderBy, setOrderBy] = useState<AvatarOrder>('NEWEST');
  const { models, loadMore } = useModelChoices();
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
            options={[['', 'All'], ...models, ...(loadMore ? [[more, 'More models …'] as const] : [])]}
            onChange={(choice) => (choice === more ? loadMore?.() : setModelId(choice))}
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
      <PagedList key={`${JSON.stringify(filter)} ${orderBy}`}>
        {(after) => <AvatarPages filter={filter} orderBy={orderBy} after={after} />}
      </PagedList>
    </div>
  );
}
