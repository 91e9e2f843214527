import { useQuery } from 'urql';
import { formatBytes, formatDate } from '../api/formats';
import { useStyleName } from '../api/session';
import { AvatarDetailsDocument, type AvatarFieldsFragment } from '../graphql/operations';

/** What an avatar is and how it was made. */
export function AvatarDetails({ avatar }: { avatar: AvatarFieldsFragment }): React.JSX.Element {
  const [{ data }] = useQuery({ query: AvatarDetailsDocument, variables: { id: avatar.id } });
  const styleName = useStyleName();
  const details = data?.avatar?.id === avatar.id ? data.avatar : null;
  return (
    <>
      <h2>{styleName(avatar.style)}</h2>
      {avatar.prompt !== null && <p dir="auto">{avatar.prompt}</p>}
      <dl className="details">
        <dt>Made</dt>
        <dd>{formatDate(avatar.createdAt)}</dd>
        <dt>Size</dt>
        <dd>
          {avatar.width} × {avatar.height}
          {details && `, ${formatBytes(details.byteSize)}`}
        </dd>
        {details && (
          <>
            <dt>By</dt>
            <dd>
              {details.provenance.isSandbox
                ? 'the sandbox, without AI'
                : `${details.provenance.provider}, with AI`}
            </dd>
          </>
        )}
      </dl>
    </>
  );
}
