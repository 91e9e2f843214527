import { Component, type ReactNode } from 'react';

interface State {
  /** What a component has thrown. */
  readonly reason: string | null;
}

/** Shown in place of an empty page if a component throws. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, State> {
  override state: State = { reason: null };

  static getDerivedStateFromError(error: unknown): State {
    return { reason: String(error) };
  }

  override render(): ReactNode {
    const { reason } = this.state;
    if (reason === null) return this.props.children;
    return (
      <main className="narrow-page">
        <div className="card stack" role="alert">
          <h1>The studio has stopped</h1>
          <p>
            An error of the page, not of the server: your trainings and avatars go on, and nothing that you
            ordered is lost.
          </p>
          <p>
            Load the page again. If it stops again, go to the start page, and report this to the operator:
          </p>
          <pre className="problem-code">{reason}</pre>
          <div className="row">
            <button type="button" className="button primary" onClick={() => location.reload()}>
              Load the page again
            </button>
            <button type="button" className="button" onClick={startAgain}>
              Go to the start page
            </button>
          </div>
        </div>
      </main>
    );
  }
}

function startAgain(): void {
  location.hash = '';
  location.reload();
}
