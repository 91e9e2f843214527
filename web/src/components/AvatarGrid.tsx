import { useState } from 'react';
import { type AvatarFieldsFragment } from '../graphql/operations';
import { AvatarTile } from './AvatarTile';
import { Lightbox } from './Lightbox';

export interface AvatarGridProps {
  readonly label: string;
  readonly avatars: readonly AvatarFieldsFragment[];
  /** How many are still being made. */
  readonly pendingCount?: number;
}

/** Avatars, each of which opens large; the places of those to come are shown. */
export function AvatarGrid({ label, avatars, pendingCount = 0 }: AvatarGridProps): React.JSX.Element {
  const [openId, setOpenId] = useState<string | null>(null);
  const openIndex = avatars.findIndex(({ id }) => id === openId);
  return (
    <>
      <ul className="avatar-grid" aria-label={label}>
        {avatars.map((avatar) => (
          <li key={avatar.id}>
            <AvatarTile avatar={avatar} onOpen={() => setOpenId(avatar.id)} />
          </li>
        ))}
        {Array.from({ length: pendingCount }, (_, index) => (
          <li key={`pending-${index}`} className="avatar-pending">
            <span className="visually-hidden">Being made</span>
          </li>
        ))}
      </ul>
      {openIndex >= 0 && (
        <Lightbox
          avatar={avatars[openIndex]!}
          position={`${openIndex + 1} of ${avatars.length}`}
          onPrevious={openIndex > 0 ? () => setOpenId(avatars[openIndex - 1]!.id) : null}
          onNext={openIndex < avatars.length - 1 ? () => setOpenId(avatars[openIndex + 1]!.id) : null}
          onClose={() => setOpenId(null)}
          onDeleted={() => setOpenId(avatars[openIndex + 1]?.id ?? avatars[openIndex - 1]?.id ?? null)}
        />
      )}
    </>
  );
}
