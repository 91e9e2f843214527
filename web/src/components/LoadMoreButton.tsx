export interface LoadMoreButtonProps {
  readonly label?: string;
  readonly onLoad: () => void;
}

export function LoadMoreButton({ label = 'Show more', onLoad }: LoadMoreButtonProps): React.JSX.Element {
  return (
    <p className="load-more">
      <button type="button" className="button" onClick={onLoad}>
        {label}
      </button>
    </p>
  );
}
