import { useState } from 'react';
import { unfinishedModelStatuses } from '../api/jobs';
import { ModelPages } from '../components/ModelPages';
import { PagedList } from '../components/PagedList';
import { SelectField } from '../components/SelectField';
import { typeNames } from '../components/TypePicker';
import { type AvatarModelOrder, type AvatarType, type ModelStatus } from '../graphql/operations';
import { useDocumentTitle } from '../hooks/useDocumentTitle';

type StatusChoice = 'ANY' | 'RUNNING' | 'READY' | 'ENDED';

const statusesOf: Readonly<Record<StatusChoice, ModelStatus[] | null>> = {
  ANY: null,
  RUNNING: unfinishedModelStatuses,
  READY: ['READY'],
  ENDED: ['FAILED', 'CANCELLED'],
};

/** All models, by page. */
export function ModelsPage(): React.JSX.Element {
  useDocumentTitle('Models');
  const [status, setStatus] = useState<StatusChoice>('ANY');
  const [type, setType] = useState<AvatarType | 'ANY'>('ANY');
  const [orderBy, setOrderBy] = useState<AvatarModelOrder>('NEWEST');
  const types = Object.entries(typeNames) as [AvatarType, string][];
  return (
    <div className="page stack large">
      <div className="row between">
        <h1 tabIndex={-1}>Models</h1>
        <div className="filters">
          <SelectField
            label="Status"
            value={status}
            options={[
              ['ANY', 'All'],
              ['RUNNING', 'In progress'],
              ['READY', 'Ready'],
              ['ENDED', 'Failed or cancelled'],
            ]}
            onChange={setStatus}
          />
          <SelectField label="Type" value={type} options={[['ANY', 'All'], ...types]} onChange={setType} />
          <SelectField
            label="Order"
            value={orderBy}
            options={[
              ['NEWEST', 'Newest first'],
              ['OLDEST', 'Oldest first'],
              ['NAME', 'By name'],
            ]}
            onChange={setOrderBy}
          />
        </div>
      </div>
      <PagedList key={`${status} ${type} ${orderBy}`}>
        {(after) => (
          <ModelPages
            filter={{ statuses: statusesOf[status], types: type === 'ANY' ? null : [type] }}
            orderBy={orderBy}
            after={after}
          />
        )}
      </PagedList>
    </div>
  );
}
