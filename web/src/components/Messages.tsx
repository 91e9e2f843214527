import { useContext, type RefObject } from 'react';
import { AnnouncementContext } from '../hooks/useAnnouncements';
import { useFrontDialog } from '../hooks/useDialogStack';
import { AnnouncementList } from './AnnouncementList';
import { ConnectionBanner } from './ConnectionBanner';

/** The messages of a dialog, or of the page, which are shown where they can be reached: in front. */
export function Messages({ dialog }: { dialog?: RefObject<HTMLDialogElement | null> }): React.JSX.Element {
  const { shown, dismiss } = useContext(AnnouncementContext);
  const front = useFrontDialog();
  const isFront = dialog ? front !== null && front === dialog.current : front === null;
  return (
    <div className={isFront ? 'messages' : 'messages behind'}>
      {dialog && isFront && <ConnectionBanner />}
      <AnnouncementList announcements={shown} onDismiss={dismiss} />
    </div>
  );
}
