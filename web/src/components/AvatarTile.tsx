import { useStyleName } from '../api/session';
import { SetFavoriteDocument, type AvatarFieldsFragment } from '../graphql/operations';
import { useAnnouncedMutation } from '../hooks/useAnnouncedMutation';
import { DownloadLink } from './DownloadLink';
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
        <Picture avatarId={avatar.id} url={avatar.thumbnailUrl} thumbhash={avatar.thumbhash} alt="" />
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
        <DownloadLink avatar={avatar} className="icon-button over-picture" label={`Download ${name}`}>
          <Icon name="download" />
        </DownloadLink>
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
