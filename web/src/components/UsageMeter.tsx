import { useId } from 'react';

export interface UsageMeterProps {
  readonly label: string;
  readonly used: number;
  /** Null: unlimited. */
  readonly limit: number | null;
  readonly format?: (value: number) => string;
}

export function UsageMeter({ label, used, limit, format = String }: UsageMeterProps): React.JSX.Element {
  const id = useId();
  return (
    <div className="usage-meter">
      <div className="row between">
        <span id={id}>{label}</span>
        <span className="percent">
          {limit === null ? `${format(used)}, no limit` : `${format(used)} of ${format(limit)}`}
        </span>
      </div>
      {limit !== null && (
        <meter aria-labelledby={id} min={0} max={Math.max(limit, 1)} high={limit * 0.8} value={used} />
      )}
    </div>
  );
}
