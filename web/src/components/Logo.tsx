import iconUrl from '../icon.svg';

export function Logo(): React.JSX.Element {
  return (
    <span className="logo">
      <img src={iconUrl} alt="" width="28" height="28" />
      Likeness
    </span>
  );
}
