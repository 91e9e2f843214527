import { useState } from 'react';
import { useMutation } from 'urql';
import { formatDate } from '../api/formats';
import { isUnfinished } from '../api/jobs';
import {
  CancelModelDocument,
  DeleteModelDocument,
  type ModelFieldsFragment,
  type ModelStatus,
} from '../graphql/operations';
import { useAnnouncedMutation } from '../hooks/useAnnouncedMutation';
import { navigate } from '../hooks/useRoute';
import { CancelButton } from './CancelButton';
import { ConfirmDialog } from './ConfirmDialog';
import { DownloadAllButton } from './DownloadAllButton';
import { Icon } from './Icon';
import { ModelName } from './ModelName';
import { Picture } from './Picture';
import { StatusBadge } from './StatusBadge';
import { typeNames } from './TypePicker';

/** Name, status and what can be done with the model. */
export function ModelHeader({ model }: { model: ModelFieldsFragment }): React.JSX.Element {
  const { id, name, type, status, cover, createdAt } = model;
  const [cancel] = useAnnouncedMutation(CancelModelDocument, 'It was not cancelled.');
  const [deletion, remove] = useMutation(DeleteModelDocument);
  const [isAsking, setAsking] = useState(false);
  const confirm = async (): Promise<void> => {
    const { error } = await remove({ id });
    if (!error) navigate({ page: 'models' });
  };
  return (
    <div className="model-header">
      {cover && (
        <Picture
          avatarId={cover.id}
          url={cover.thumbnailUrl}
          thumbhash={cover.thumbhash}
          alt=""
          className="model-cover"
        />
      )}
      <div className="model-text">
        <ModelName id={id} name={name} />
        <p className="row muted">
          <StatusBadge status={status} /> {typeNames[type]} · {formatDate(createdAt)}
        </p>
      </div>
      <div className="row">
        {cover && <DownloadAllButton select={{ modelId: id }} />}
        {model.canCancel && <CancelButton status={status} onCancel={() => void cancel({ id })} />}
        <button
          type="button"
          className="icon-button"
          aria-label={`Delete ${name}`}
          onClick={() => setAsking(true)}
        >
          <Icon name="trash" />
        </button>
      </div>
      {isAsking && (
        <ConfirmDialog
          title={`Delete ${name}?`}
          action="Delete"
          isBusy={deletion.fetching}
          error={deletion.error}
          onConfirm={() => void confirm()}
          onClose={() => setAsking(false)}
        >
          <p>The model, its photos and all avatars made from it are deleted for good.</p>
          {chargedText(status) !== null && <p>{chargedText(status)}</p>}
        </ConfirmDialog>
      )}
    </div>
  );
}

/** What is charged although the model is deleted; null if nothing is. */
function chargedText(status: ModelStatus): string | null {
  if (status === 'READY') return 'Avatars of it that are being made are stopped, and charged all the same.';
  const hasBegun = isUnfinished(status) && status !== 'QUEUED';
  return hasBegun ? 'The training has begun, and is charged all the same.' : null;
}
