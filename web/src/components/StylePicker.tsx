import { useSession } from '../api/session';
import { loadableUrl } from '../api/urls';

export interface StylePickerProps {
  readonly selected: ReadonlySet<string>;
  readonly onToggle: (key: string) => void;
}

/** Styles with example pictures; several can be chosen. */
export function StylePicker({ selected, onToggle }: StylePickerProps): React.JSX.Element {
  const { styles } = useSession();
  return (
    <fieldset className="style-picker">
      <legend>Styles</legend>
      <div className="style-grid">
        {styles.map(({ key, name, description, exampleUrl }) => (
          <label key={key} className="style-card" title={description}>
            <input type="checkbox" checked={selected.has(key)} onChange={() => onToggle(key)} />
            {exampleUrl !== null && (
              <img src={loadableUrl(exampleUrl)} alt="" loading="lazy" width="256" height="256" />
            )}
            <span className="style-name">{name}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
