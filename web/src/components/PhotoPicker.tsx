import { useRef, useState, type DragEvent } from 'react';
import { useSession } from '../api/session';
import { CameraDialog } from './CameraDialog';
import { Icon } from './Icon';

/** For example "JPEG, PNG, WebP". */
const formatNames = (types: readonly string[]): string =>
  types
    .filter((type) => type !== 'image/heif')
    .map((type) => (type === 'image/webp' ? 'WebP' : type.replace('image/', '').toUpperCase()))
    .join(', ');

/** Drop, choose or take photos. */
export function PhotoPicker({ onAdd }: { onAdd: (files: readonly File[]) => void }): React.JSX.Element {
  const { capabilities } = useSession();
  const { contentTypes, maxByteSize } = capabilities.photos;
  const [isDraggedOver, setDraggedOver] = useState(false);
  const [isCameraOpen, setCameraOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setDraggedOver(false);
    onAdd([...event.dataTransfer.files]);
  };
  return (
    <div
      className={isDraggedOver ? 'photo-picker over' : 'photo-picker'}
      onDragOver={(event) => {
        event.preventDefault();
        setDraggedOver(true);
      }}
      onDragLeave={() => setDraggedOver(false)}
      onDrop={drop}
    >
      <Icon name="upload" />
      <p>
        <strong>Drop photos here</strong>
        <span className="muted">
          {formatNames(contentTypes)}, up to {Math.floor(maxByteSize / 1e6)} MB each
        </span>
      </p>
      <div className="row">
        <input
          ref={input}
          type="file"
          accept={contentTypes.join()}
          multiple
          className="visually-hidden"
          tabIndex={-1}
          aria-label="Photos"
          onChange={(event) => {
            onAdd([...(event.target.files ?? [])]);
            event.target.value = '';
          }}
        />
        <button type="button" className="button" onClick={() => input.current?.click()}>
          <Icon name="image" />
          Choose photos
        </button>
        <button type="button" className="button" onClick={() => setCameraOpen(true)}>
          <Icon name="camera" />
          Take photos
        </button>
      </div>
      {isCameraOpen && (
        <CameraDialog onPhoto={(file) => onAdd([file])} onClose={() => setCameraOpen(false)} />
      )}
    </div>
  );
}
