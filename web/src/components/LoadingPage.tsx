import { Loading } from './Loading';

/** Shown until the first answer. */
export function LoadingPage(): React.JSX.Element {
  return (
    <main className="narrow-page" aria-busy="true">
      <Loading />
    </main>
  );
}
