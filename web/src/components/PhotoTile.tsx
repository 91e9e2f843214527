import { useRef } from 'react';
import { type DraftPhoto } from '../api/draftPhotos';
import { Icon } from './Icon';
import { PhotoPreview } from './PhotoPreview';

export interface PhotoTileProps {
  readonly photo: DraftPhoto;
  readonly onReplace: (file: File) => void;
  readonly onRetry: () => void;
  readonly onRemove: () => void;
}

const stateTexts = {
  sending: 'Uploading …',
  checking: 'Checking …',
  ready: 'Usable',
  unusable: 'Cannot be used',
  failed: 'Not uploaded',
} as const;

/** A chosen photo: how far it is, what is wrong with it, and what can be done. */
export function PhotoTile({ photo, onReplace, onRetry, onRemove }: PhotoTileProps): React.JSX.Element {
  const { name, previewUrl, state, progress, problem } = photo;
  const input = useRef<HTMLInputElement>(null);
  return (
    <div className={`photo-tile ${state}`}>
      <div className="photo-frame">
        <PhotoPreview url={previewUrl} />
        {(state === 'sending' || state === 'checking') && (
          <progress
            aria-label={`Upload of ${name}`}
            max={1}
            value={state === 'sending' ? progress : undefined}
          />
        )}
        <button
          type="button"
          className="icon-button over-picture"
          aria-label={`Remove ${name}`}
          onClick={onRemove}
        >
          <Icon name="close" />
        </button>
      </div>
      <p className="photo-name" title={name}>
        <bdi>{name}</bdi>
      </p>
      <p className={`photo-state ${state}`}>
        <Icon
          name={
            state === 'ready' ? 'check' : state === 'unusable' || state === 'failed' ? 'warning' : 'upload'
          }
        />
        {stateTexts[state]}
      </p>
      {problem !== null && <p className="photo-problem">{problem}</p>}
      {state === 'failed' && photo.file !== null && (
        <button type="button" className="button small" aria-label={`Upload ${name} again`} onClick={onRetry}>
          Try again
        </button>
      )}
      {state === 'unusable' && (
        <>
          <input
            ref={input}
            type="file"
            accept="image/*"
            className="visually-hidden"
            tabIndex={-1}
            aria-label={`Replacement of ${name}`}
            onChange={(event) => {
              const [file] = event.target.files ?? [];
              if (file) onReplace(file);
            }}
          />
          <button
            type="button"
            className="button small"
            aria-label={`Replace ${name}`}
            onClick={() => input.current?.click()}
          >
            Replace
          </button>
        </>
      )}
    </div>
  );
}
