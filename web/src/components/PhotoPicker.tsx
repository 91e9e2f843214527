import { useRef, useState } from 'react';
import { maxFolderEntries, maxFolderPictures, type DroppedFiles } from '../api/droppedFiles';
import { withFormatNames } from '../api/formats';
import { useSession } from '../api/session';
import { useAnnounce } from '../hooks/useAnnouncements';
import { useFileDrop } from '../hooks/useFileDrop';
import { CameraDialog } from './CameraDialog';
import { Icon } from './Icon';

/** For example "JPEG, PNG, WebP". */
const formatNames = (types: readonly string[]): string =>
  withFormatNames(types.filter((type) => type !== 'image/heif').join(', '));

/** Drop, choose or take photos. */
export function PhotoPicker({ onAdd }: { onAdd: (files: readonly File[]) => void }): React.JSX.Element {
  const { capabilities } = useSession();
  const { contentTypes, maxByteSize } = capabilities.photos;
  const announce = useAnnounce();
  const isDraggedOver = useFileDrop((dropped) => {
    onAdd(dropped.files);
    const text = textOf(dropped);
    if (text !== null) announce({ tone: 'bad', text });
  });
  const [isCameraOpen, setCameraOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <div className={isDraggedOver ? 'photo-picker over' : 'photo-picker'}>
        <Icon name="upload" />
        <p>
          <strong className="mouse-only">
            {isDraggedOver ? 'Drop them anywhere' : 'Drop photos or a folder here'}
          </strong>
          <strong className="touch-only">Add your photos</strong>
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
      </div>
      {isCameraOpen && (
        <CameraDialog onPhoto={(file) => onAdd([file])} onClose={() => setCameraOpen(false)} />
      )}
    </>
  );
}

/** What was not taken from folders; null if everything was. */
function textOf({ emptyFolders, isCutOff }: DroppedFiles): string | null {
  if (isCutOff)
    return `Not everything was taken: folders may have ${maxFolderPictures} pictures and ${maxFolderEntries.toLocaleString('en')} files. Choose the best ones instead.`;
  if (emptyFolders.length === 0) return null;
  return `There are no photos in ${emptyFolders.join(', ')}. Choose single photos instead.`;
}
