import { type AvatarType } from '../graphql/operations';

/** What each type is called on the page. */
export const typeNames: Readonly<Record<AvatarType, string>> = {
  WOMAN: 'Woman',
  MAN: 'Man',
  COUPLE: 'Couple',
  DOG: 'Dog',
  CAT: 'Cat',
};

export interface TypePickerProps {
  readonly types: readonly AvatarType[];
  readonly value: AvatarType | null;
  readonly onChange: (type: AvatarType) => void;
}

/** Who is in the photos. */
export function TypePicker({ types, value, onChange }: TypePickerProps): React.JSX.Element {
  const order = Object.keys(typeNames) as AvatarType[];
  return (
    <fieldset className="type-picker">
      <legend>Who is in the photos?</legend>
      <div className="choices">
        {order
          .filter((type) => types.includes(type))
          .map((type) => (
            <label key={type} className="choice">
              <input
                type="radio"
                name="type"
                value={type}
                checked={value === type}
                onChange={() => onChange(type)}
              />
              <span>{typeNames[type]}</span>
            </label>
          ))}
      </div>
    </fieldset>
  );
}
