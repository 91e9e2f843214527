import { type ReactNode } from 'react';
import { useClient } from 'urql';
import { readProblem } from '../api/errors';
import { startDownload } from '../api/startDownload';
import { isExpiredUrl, loadableUrl } from '../api/urls';
import { AvatarUrlsDocument, type AvatarFieldsFragment } from '../graphql/operations';
import { useAnnounce } from '../hooks/useAnnouncements';

export interface DownloadLinkProps {
  readonly avatar: Pick<AvatarFieldsFragment, 'id' | 'downloadUrl' | 'filename'>;
  readonly className: string;
  readonly label?: string;
  readonly children: ReactNode;
}

/** Saves an avatar; asks for a new URL where the page was open for longer than URLs are valid. */
export function DownloadLink({ avatar, className, label, children }: DownloadLinkProps): React.JSX.Element {
  const client = useClient();
  const announce = useAnnounce();
  const { id, downloadUrl, filename } = avatar;
  const downloadAgain = async (): Promise<void> => {
    const { data, error } = await client.query(AvatarUrlsDocument, { id }, { requestPolicy: 'network-only' });
    if (data?.avatar) startDownload(data.avatar.downloadUrl);
    else
      announce({ tone: 'bad', text: `It was not saved. ${error ? readProblem(error).message : ''}`.trim() });
  };
  return (
    <a
      className={className}
      aria-label={label}
      href={loadableUrl(downloadUrl)}
      download={filename}
      onClick={(event) => {
        if (!isExpiredUrl(downloadUrl)) return;
        event.preventDefault();
        void downloadAgain();
      }}
    >
      {children}
    </a>
  );
}
