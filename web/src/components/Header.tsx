import { useSession } from '../api/session';
import { pathOf, type Route } from '../hooks/useRoute';
import { ConnectionBanner } from './ConnectionBanner';
import { Icon } from './Icon';
import { Logo } from './Logo';

export interface HeaderProps {
  readonly route: Route;
  readonly isDeveloperOpen: boolean;
  readonly onToggleDeveloper: () => void;
}

const tabs = [
  { page: 'create', label: 'Create' },
  { page: 'models', label: 'Models' },
  { page: 'avatars', label: 'Avatars' },
  { page: 'account', label: 'Account' },
] as const;

export function Header({ route, isDeveloperOpen, onToggleDeveloper }: HeaderProps): React.JSX.Element {
  const { graphiqlPath } = useSession();
  const current = route.page === 'model' ? 'models' : route.page;
  return (
    <header className="header">
      <div className="header-inner">
        <a href={pathOf({ page: 'create' })} className="logo-link">
          <Logo />
        </a>
        <nav aria-label="Pages" className="tabs">
          {tabs.map(({ page, label }) => (
            <a key={page} href={pathOf({ page })} aria-current={page === current ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <div className="header-tools">
          <button
            type="button"
            className="button quiet"
            aria-expanded={isDeveloperOpen}
            aria-controls="developer-panel"
            onClick={onToggleDeveloper}
          >
            <Icon name="code" />
            <span className="wide-only">Developer</span>
            <span className="visually-hidden narrow-only">Developer</span>
          </button>
          {graphiqlPath !== null && (
            <a className="button quiet wide-only" href={graphiqlPath} target="_blank" rel="noreferrer">
              GraphiQL
              <span className="visually-hidden"> (opens in a new tab)</span>
            </a>
          )}
        </div>
      </div>
      <ConnectionBanner />
    </header>
  );
}
