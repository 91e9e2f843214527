export function LoadMoreButton({ onLoad }: { onLoad: () => void }): React.JSX.Element {
  return (
    <p className="load-more">
      <button type="button" className="button" onClick={onLoad}>
        Show more
      </button>
    </p>
  );
}
