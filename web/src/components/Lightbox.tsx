import { useState } from 'react';
import { useMutation } from 'urql';
import { readProblem } from '../api/errors';
import { useStyleName } from '../api/session';
import { DeleteAvatarDocument, SetFavoriteDocument, type AvatarFieldsFragment } from '../graphql/operations';
import { useCloseOnBack } from '../hooks/useCloseOnBack';
import { AvatarDetails } from './AvatarDetails';
import { describeAvatar } from './AvatarTile';
import { ConfirmDialog } from './ConfirmDialog';
import { Dialog } from './Dialog';
import { DownloadLink } from './DownloadLink';
import { Icon } from './Icon';
import { Picture } from './Picture';
import { ProblemNotice } from './ProblemNotice';

export interface LightboxProps {
  readonly avatar: AvatarFieldsFragment;
  /** For example "2 of 8". */
  readonly position: string;
  /** Null at the ends. */
  readonly onPrevious: (() => void) | null;
  readonly onNext: (() => void) | null;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

/** One avatar, large. */
export function Lightbox(props: LightboxProps): React.JSX.Element {
  const { avatar, position, onPrevious, onNext, onClose, onDeleted } = props;
  const [favorite, setFavorite] = useMutation(SetFavoriteDocument);
  const [deletion, deleteAvatar] = useMutation(DeleteAvatarDocument);
  const [isAsking, setAsking] = useState(false);
  const name = describeAvatar(avatar, useStyleName());
  useCloseOnBack(onClose);
  const remove = async (): Promise<void> => {
    const { error } = await deleteAvatar({ id: avatar.id });
    if (error) return;
    setAsking(false);
    onDeleted();
  };
  return (
    <Dialog
      label={name}
      className="lightbox"
      onClose={onClose}
      onKeyDown={({ key }) => {
        if (key === 'ArrowLeft') onPrevious?.();
        if (key === 'ArrowRight') onNext?.();
      }}
    >
      <div className="lightbox-picture">
        <Picture
          key={avatar.id}
          avatarId={avatar.id}
          url={avatar.largeUrl}
          thumbhash={avatar.thumbhash}
          alt={name}
        />
        <Step label="Previous" icon="left" onStep={onPrevious} />
        <Step label="Next" icon="right" onStep={onNext} />
      </div>
      <div className="lightbox-side">
        <div className="row between">
          <p className="muted" role="status">
            {position}
          </p>
          <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        <AvatarDetails avatar={avatar} />
        {favorite.error && <ProblemNotice problem={readProblem(favorite.error)} />}
        <div className="stack">
          <button
            type="button"
            className="button"
            aria-pressed={avatar.favorite}
            onClick={() => void setFavorite({ avatarIds: [avatar.id], favorite: !avatar.favorite })}
          >
            <Icon name="heart" isFilled={avatar.favorite} />
            Favorite
          </button>
          <DownloadLink avatar={avatar} className="button primary">
            <Icon name="download" />
            Download
          </DownloadLink>
          <button type="button" className="button danger-quiet" onClick={() => setAsking(true)}>
            <Icon name="trash" />
            Delete
          </button>
        </div>
      </div>
      {isAsking && (
        <ConfirmDialog
          title="Delete this avatar?"
          action="Delete"
          isBusy={deletion.fetching}
          error={deletion.error}
          onConfirm={() => void remove()}
          onClose={() => setAsking(false)}
        >
          <p>The picture is deleted for good.</p>
        </ConfirmDialog>
      )}
    </Dialog>
  );
}

interface StepProps {
  readonly label: string;
  readonly icon: 'left' | 'right';
  readonly onStep: (() => void) | null;
}

function Step({ label, icon, onStep }: StepProps): React.JSX.Element {
  return (
    <button
      type="button"
      className={`icon-button over-picture step-${icon}`}
      aria-label={label}
      aria-disabled={onStep === null}
      onClick={() => onStep?.()}
    >
      <Icon name={icon} />
    </button>
  );
}
