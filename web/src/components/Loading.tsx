import { useEffect, useState } from 'react';

/** After this time the page says that the server is slow. */
const slowMs = 5_000;

/** Stands in the place of something that has not arrived yet. */
export function Loading(): React.JSX.Element {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), slowMs);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className="loading muted" role="status">
      <span className="spinner" aria-hidden="true" />
      {isSlow
        ? 'The server takes longer than usual. It is shown as soon as it arrives; or load the page again.'
        : 'Loading …'}
    </p>
  );
}
