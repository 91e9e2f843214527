import { createRoot } from 'react-dom/client';
import { App } from './App';
import { keepFocus } from './api/keepFocus';
import { ErrorBoundary } from './components/ErrorBoundary';
import { ignoreDroppedFiles } from './hooks/useFileDrop';
import './styles/base.css';
import './styles/controls.css';
import './styles/notices.css';
import './styles/dialogs.css';
import './styles/layout.css';
import './styles/photos.css';
import './styles/jobs.css';
import './styles/avatars.css';
import './styles/developer.css';

ignoreDroppedFiles();
keepFocus();
createRoot(document.getElementById('root')!).render(
  <ErrorBoundary>
    <App />
  </ErrorBoundary>,
);
