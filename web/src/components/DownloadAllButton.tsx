import { startDownload } from '../api/startDownload';
import { DownloadAvatarsDocument, type AvatarSelectionInput } from '../graphql/operations';
import { useAnnouncedMutation } from '../hooks/useAnnouncedMutation';
import { Icon } from './Icon';

/** Downloads avatars as one ZIP archive. */
export function DownloadAllButton({ select }: { select: AvatarSelectionInput }): React.JSX.Element {
  const [prepare, isPreparing] = useAnnouncedMutation(DownloadAvatarsDocument, 'The archive was not made.');
  const download = async (): Promise<void> => {
    const data = await prepare({ select });
    if (data?.downloadAvatars) startDownload(data.downloadAvatars.url);
  };
  return (
    <button
      type="button"
      className="button small"
      aria-disabled={isPreparing}
      onClick={() => void (isPreparing || download())}
    >
      <Icon name="download" />
      Download all
    </button>
  );
}
