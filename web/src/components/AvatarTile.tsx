import { useStyleName } from '../api/session';
import { loadableUrl } from '../api/urls';
import { SetFavoriteDocument, type AvatarFieldsFragment } from '../graphql/operations';
import { useAnnouncedMutation } from '../hooks/useAnnouncedMutation';
import { Icon } from './Icon';
import { Picture } from './Picture';

export interface AvatarTileProps {
  readonly avatar: AvatarFieldsFragment;
  readonly onOpen: () => void;
}

export function AvatarTile({ avatar, onOpen }: AvatarTileProps): React.JSX.Element {
  const [setFavorite] = useAnnouncedMutation(SetFavoriteDocument, 'It was not changed.');
  const name = describeAvatar(avatar, useStyleName());
  return (
    <div className="avatar-tile">
      <button type="button" className="avatar-open" aria-label={`Open ${name}`} onClick={onOpen}>
        <Picture url={avatar.thumbnailUrl} thumbhash={avatar.thumbhash} alt="" />
      </button>
      <div className="avatar-tools">
        <button
          type="button"
          className="icon-button over-picture"
          aria-label={`Favorite: ${name}`}
          aria-pressed={avatar.favorite}
          onClick={() => void setFavorite({ avatarIds: [avatar.id], favorite: !avatar.favorite })}
        >
          <Icon name="heart" isFilled={avatar.favorite} />
        </button>
        <a
          className="icon-button over-picture"
          aria-label={`Download ${name}`}
          href={loadableUrl(avatar.downloadUrl)}
          download={avatar.filename}
        >
          <Icon name="download" />
        </a>
      </div>
    </div>
  );
}

/** For example "Watercolor, at the sea". */
export function describeAvatar(
  { style, prompt }: Pick<AvatarFieldsFragment, 'style' | 'prompt'>,
  styleName: (key: string) => string,
): string {
  return prompt === null ? styleName(style) : `${styleName(style)}, ${prompt}`;
}
