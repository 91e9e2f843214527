import { useEffect, useRef, useState } from 'react';
import { useActivity } from '../hooks/useActivity';
import { AnnouncementContext, useAnnouncementState } from '../hooks/useAnnouncements';
import { usePendingOrders } from '../hooks/usePendingOrders';
import { useRoute, type Route } from '../hooks/useRoute';
import { AccountPage } from '../pages/AccountPage';
import { AvatarsPage } from '../pages/AvatarsPage';
import { CreatePage } from '../pages/CreatePage';
import { ModelPage } from '../pages/ModelPage';
import { ModelsPage } from '../pages/ModelsPage';
import { DeveloperPanel } from './DeveloperPanel';
import { Header } from './Header';
import { Messages } from './Messages';

function Page({ route }: { route: Route }): React.JSX.Element {
  switch (route.page) {
    case 'create':
      return <CreatePage />;
    case 'models':
      return <ModelsPage />;
    case 'model':
      return <ModelPage key={route.id} id={route.id} />;
    case 'avatars':
      return <AvatarsPage />;
    case 'account':
      return <AccountPage />;
  }
}

/** Everything a signed-in viewer sees. */
export function Studio(): React.JSX.Element {
  const route = useRoute();
  const announcements = useAnnouncementState();
  useActivity(announcements.announce);
  usePendingOrders(route, announcements.announce);
  const [isDeveloperOpen, setDeveloperOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const address = JSON.stringify(route);

  // A screen reader goes on at the heading of the new page, or at the page while it is being loaded.
  useEffect(() => {
    if (!isFirst.current) {
      scrollTo(0, 0);
      const heading = main.current?.querySelector('h1');
      (heading ?? main.current)?.focus({ preventScroll: true });
    }
    isFirst.current = false;
  }, [address]);

  return (
    <AnnouncementContext.Provider value={announcements}>
      <a className="skip-link" href="#main" onClick={(event) => skipTo(event, main.current)}>
        Skip to the content
      </a>
      <Header
        route={route}
        isDeveloperOpen={isDeveloperOpen}
        onToggleDeveloper={() => setDeveloperOpen((isOpen) => !isOpen)}
      />
      <div className={isDeveloperOpen ? 'frame with-developer' : 'frame'}>
        <main id="main" ref={main} tabIndex={-1}>
          <Page route={route} />
        </main>
        {isDeveloperOpen && <DeveloperPanel onClose={() => setDeveloperOpen(false)} />}
      </div>
      <Messages />
    </AnnouncementContext.Provider>
  );
}

/** The address after `#` names the page, so that the link must not change it. */
function skipTo(event: React.MouseEvent, target: HTMLElement | null): void {
  event.preventDefault();
  target?.focus();
}
