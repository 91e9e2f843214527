import { type Announcement } from '../hooks/useAnnouncements';
import { pathOf, useRoute } from '../hooks/useRoute';
import { Icon } from './Icon';

export interface AnnouncementListProps {
  readonly announcements: readonly Announcement[];
  readonly onDismiss: (id: number) => void;
}

/** Messages at the edge of the page. The list is always present, so that screen readers notice additions. */
export function AnnouncementList({ announcements, onDismiss }: AnnouncementListProps): React.JSX.Element {
  const current = pathOf(useRoute());
  return (
    <div className="announcements" role="log" aria-live="polite" aria-label="Messages">
      {announcements.map(({ id, tone, text, link }) => (
        <div key={id} className={`announcement ${tone}`}>
          <Icon name={tone === 'bad' ? 'warning' : 'check'} />
          <p>
            {text}{' '}
            {link && pathOf(link.route) !== current && (
              <a href={pathOf(link.route)} onClick={() => onDismiss(id)}>
                {link.label}
              </a>
            )}
          </p>
          <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => onDismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
