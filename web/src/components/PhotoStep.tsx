import { type DraftPhotos } from '../hooks/usePhotoDraft';
import { PhotoPicker } from './PhotoPicker';
import { PhotoTile } from './PhotoTile';

export interface PhotoStepProps {
  readonly chosen: DraftPhotos;
  readonly minPhotos: number;
  readonly maxPhotos: number;
}

/** The first step: photos, each checked by the server. */
export function PhotoStep({ chosen, minPhotos, maxPhotos }: PhotoStepProps): React.JSX.Element {
  const { draft, photos } = chosen;
  return (
    <section className="card stack" aria-labelledby="photo-step">
      <h2 id="photo-step">
        <span className="step">1</span> Photos
      </h2>
      <p className="muted">
        {minPhotos} to {maxPhotos} photos of one face, sharp and well lit, from different sides. They are
        deleted after the training.
      </p>
      <PhotoPicker onAdd={(files) => draft.add(files)} />
      <p role="status" className="photo-count">
        {countText(chosen, minPhotos)}
      </p>
      {photos.length > 0 && (
        <ul className="photo-grid" aria-label="Chosen photos">
          {photos.map((photo) => (
            <li key={photo.key}>
              <PhotoTile
                photo={photo}
                onReplace={(file) => draft.replace(photo.key, file)}
                onRetry={() => draft.retry(photo.key)}
                onRemove={() => draft.remove(photo.key)}
              />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function countText({ photos, readyIds }: DraftPhotos, minPhotos: number): string {
  if (photos.length === 0) return '';
  const bad = photos.filter(({ state }) => state === 'unusable' || state === 'failed').length;
  const pending = photos.length - bad - readyIds.length;
  const missing = minPhotos - readyIds.length;
  return [
    `${readyIds.length} of ${photos.length} usable.`,
    ...(pending > 0 ? [`${pending} on the way.`] : []),
    ...(bad > 0 ? [`${bad} to replace.`] : []),
    ...(missing > 0 && pending === 0 ? [`Add ${missing} more.`] : []),
  ].join(' ');
}
