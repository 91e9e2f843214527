import { useEffect, useState, useSyncExternalStore } from 'react';
import { useConnection } from '../api/connection';
import { type DraftPhoto } from '../api/draftPhotos';
import { draftOf, readyIdsOf, type PhotoDraft } from '../api/photoDraft';
import { useSession } from '../api/session';

/** The photos of the next training, and what can be done with them. */
export interface DraftPhotos {
  readonly draft: PhotoDraft;
  readonly photos: readonly DraftPhoto[];
  readonly readyIds: readonly string[];
}

export function usePhotoDraft(): DraftPhotos {
  const connection = useConnection();
  const { owner } = useSession();
  const [draft] = useState(() => draftOf(connection, owner));
  const photos = useSyncExternalStore(draft.subscribe, draft.read);
  useEffect(() => draft.start(), [draft]);
  return { draft, photos, readyIds: readyIdsOf(photos) };
}
