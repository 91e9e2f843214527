import { useState } from 'react';
import { useMutation } from 'urql';
import { readProblem } from '../api/errors';
import { startDownload } from '../api/startDownload';
import { clearStored } from '../api/storage';
import { DeleteMyDataDocument, ExportMyDataDocument } from '../graphql/operations';
import { useAnnounce } from '../hooks/useAnnouncements';
import { EraseDialog } from './EraseDialog';
import { Icon } from './Icon';

/** Exports or erases everything of the viewer's. */
export function MyData(): React.JSX.Element {
  const announce = useAnnounce();
  const [exporting, exportData] = useMutation(ExportMyDataDocument);
  const [erasing, erase] = useMutation(DeleteMyDataDocument);
  const [isAsking, setAsking] = useState(false);
  const [receipt, setReceipt] = useState<string | null>(null);
  const download = async (): Promise<void> => {
    const { data, error } = await exportData({});
    if (data?.exportMyData) startDownload(data.exportMyData.url);
    else if (error) announce({ tone: 'bad', text: readProblem(error).message });
  };
  const eraseAll = async (): Promise<void> => {
    const { data, error } = await erase({ confirm: 'DELETE' });
    setAsking(false);
    if (error) {
      announce({ tone: 'bad', text: readProblem(error).message });
      return;
    }
    clearStored();
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
          aria-disabled={exporting.fetching}
          onClick={() => void download()}
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
          onConfirm={() => void eraseAll()}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}
