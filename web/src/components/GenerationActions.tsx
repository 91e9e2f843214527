import { useState } from 'react';
import { useMutation } from 'urql';
import { plural } from '../api/formats';
import { isUnfinished } from '../api/jobs';
import {
  CancelGenerationDocument,
  DeleteGenerationDocument,
  type GenerationFieldsFragment,
} from '../graphql/operations';
import { useAnnouncedMutation } from '../hooks/useAnnouncedMutation';
import { CancelButton } from './CancelButton';
import { ConfirmDialog } from './ConfirmDialog';
import { DownloadAllButton } from './DownloadAllButton';
import { Icon } from './Icon';
import { StatusBadge } from './StatusBadge';

export interface GenerationActionsProps {
  readonly title: string;
  readonly generation: GenerationFieldsFragment;
}

/** Cancels a running generation; downloads or deletes a finished one. */
export function GenerationActions({ title, generation }: GenerationActionsProps): React.JSX.Element {
  const { id, status, avatars, canCancel } = generation;
  const [cancel] = useAnnouncedMutation(CancelGenerationDocument, 'It was not cancelled.');
  const [deletion, remove] = useMutation(DeleteGenerationDocument);
  const [isAsking, setAsking] = useState(false);
  if (isUnfinished(status))
    return <>{canCancel && <CancelButton status={status} onCancel={() => void cancel({ id })} />}</>;
  return (
    <div className="row">
      <StatusBadge status={status} />
      {avatars.length > 1 && <DownloadAllButton select={{ generationId: id }} />}
      <button
        type="button"
        className="icon-button"
        aria-label={`Delete ${title}`}
        onClick={() => setAsking(true)}
      >
        <Icon name="trash" />
      </button>
      {isAsking && (
        <ConfirmDialog
          title="Delete these avatars?"
          action="Delete"
          isBusy={deletion.fetching}
          error={deletion.error}
          onConfirm={() => void remove({ id })}
          onClose={() => setAsking(false)}
        >
          <p>All of them ({plural(avatars.length, 'picture')}) are deleted for good.</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
