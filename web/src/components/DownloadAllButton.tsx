import { useMutation } from 'urql';
import { readProblem } from '../api/errors';
import { startDownload } from '../api/startDownload';
import { DownloadAvatarsDocument, type AvatarSelectionInput } from '../graphql/operations';
import { useAnnounce } from '../hooks/useAnnouncements';
import { Icon } from './Icon';

/** Downloads avatars as one ZIP archive. */
export function DownloadAllButton({ select }: { select: AvatarSelectionInput }): React.JSX.Element {
  const [{ fetching }, prepare] = useMutation(DownloadAvatarsDocument);
  const announce = useAnnounce();
  const download = async (): Promise<void> => {
    const { data, error } = await prepare({ select });
    if (data?.downloadAvatars) startDownload(data.downloadAvatars.url);
    else if (error) announce({ tone: 'bad', text: readProblem(error).message });
  };
  return (
    <button type="button" className="button small" aria-disabled={fetching} onClick={() => void download()}>
      <Icon name="download" />
      Download all
    </button>
  );
}
