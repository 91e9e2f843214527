import { Component, type ReactNode } from 'react';

/** Shown in place of an empty page if a component throws. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <main className="narrow-page" role="alert">
        <h1>The studio has stopped</h1>
        <p>
          An error of the page, not of the server: your trainings and avatars go on, and nothing that you
          ordered is lost.
        </p>
        <button type="button" className="button primary" onClick={() => location.reload()}>
          Load the page again
        </button>
      </main>
    );
  }
}
