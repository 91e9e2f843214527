import { useState } from 'react';
import { useMutation } from 'urql';
import { useConnection } from '../api/connection';
import { forgetOwner } from '../api/forgetOwner';
import { clearOperationLog } from '../api/operationLog';
import { draftOf } from '../api/photoDraft';
import { useSession } from '../api/session';
import { startDownload } from '../api/startDownload';
import { DeleteMyDataDocument, ExportMyDataDocument } from '../graphql/operations';
import { useAnnouncedMutation } from '../hooks/useAnnouncedMutation';
import { useAnnounce } from '../hooks/useAnnouncements';
import { EraseDialog } from './EraseDialog';
import { Icon } from './Icon';

/** Exports or erases everything of the viewer's. */
export function MyData(): React.JSX.Element {
  const announce = useAnnounce();
  const connection = useConnection();
  const { owner } = useSession();
  const [exportData, isExporting] = useAnnouncedMutation(ExportMyDataDocument, 'Nothing was exported.');
  const [erasing, erase] = useMutation(DeleteMyDataDocument);
  const [isAsking, setAsking] = useState(false);
  const [receipt, setReceipt] = useState<string | null>(null);
  const download = async (): Promise<void> => {
    const data = await exportData({});
    if (data?.exportMyData) startDownload(data.exportMyData.url);
  };
  const eraseAll = async (): Promise<void> => {
    const { data, error } = await erase({ confirm: 'DELETE' });
    if (error) return;
    setAsking(false);
    forgetOwner(owner);
    draftOf(connection, owner).discard();
    clearOperationLog();
    setReceipt(data?.deleteMyData?.erasure.receipt ?? null);
    announce({ tone: 'plain', text: 'Your data have been erased.' });
  };
  return (
    <section className="card stack" aria-labelledby="data-title">
      <h2 id="data-title">My data</h2>
      <p>Download everything as a ZIP archive, or erase it for good.</p>
      <div className="row">
        <button
          type="button"
          className="button"
          aria-disabled={isExporting}
          onClick={() => void (isExporting || download())}
        >
          <Icon name="download" />
          Export my data
        </button>
        <button type="button" className="button danger-quiet" onClick={() => setAsking(true)}>
          <Icon name="trash" />
          Erase my data
        </button>
      </div>
      {receipt !== null && (
        <p role="status">
          Erased. Your receipt: <code>{receipt}</code>
        </p>
      )}
      {isAsking && (
        <EraseDialog
          isBusy={erasing.fetching}
          error={erasing.error}
          onConfirm={() => void eraseAll()}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}
