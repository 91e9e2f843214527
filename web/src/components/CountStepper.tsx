import { Icon } from './Icon';

export interface CountStepperProps {
  readonly label: string;
  readonly value: number;
  readonly max: number;
  readonly onChange: (value: number) => void;
}

/** A small number, chosen with buttons. */
export function CountStepper({ label, value, max, onChange }: CountStepperProps): React.JSX.Element {
  return (
    <div className="stepper" role="group" aria-label={label}>
      <span>{label}</span>
      <button
        type="button"
        className="icon-button"
        aria-label="Fewer"
        aria-disabled={value <= 1}
        onClick={() => value > 1 && onChange(value - 1)}
      >
        <Icon name="minus" />
      </button>
      <output aria-live="polite">{value}</output>
      <button
        type="button"
        className="icon-button"
        aria-label="More"
        aria-disabled={value >= max}
        onClick={() => value < max && onChange(value + 1)}
      >
        <Icon name="add" />
      </button>
    </div>
  );
}
